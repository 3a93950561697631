"""How artifacts hold their content: JSONL rows, JSON documents and .npy matrices."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

# The files of an artifact, which other stages, boards and commands read.
PROMPTS = "prompts.jsonl"
RESPONSES = "responses.jsonl"
SCORES = "scores.jsonl"
PAIRS = "pairs.jsonl"
LEFT_OUT = "left_out.json"
RESULT = "result.json"
LOGPROBS = "logprobs.npy"
TOKEN_LOGPROBS = "token_logprobs.npy"
LENGTHS = "lengths.npy"

Row = TypeVar("Row")


def write_rows(path: Path, rows: Iterable[Any]) -> None:
    """Write dataclass rows, one JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(asdict(row), ensure_ascii=False, allow_nan=False) + "\n")


def read_rows(path: Path, row: type[Row], part: slice | None = None) -> list[Row]:
    """Read rows of one dataclass: all, or those from `part.start` to before `part.stop`."""
    return list(stream_rows(path, row, part))


def stream_rows(path: Path, row: type[Row], part: slice | None = None) -> Iterator[Row]:
    """The same, one after the other."""
    with path.open(encoding="utf-8") as file:
        for line in islice(file, part.start, part.stop) if part else file:
            yield row(**json.loads(line))


def count_rows(path: Path) -> int:
    """How many rows a file holds."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def write_json(path: Path, value: Any) -> None:
    """Write one JSON document."""
    path.write_text(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read one JSON document."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_matrix(path: Path, matrix: NDArray[Any]) -> None:
    """Write an array as .npy, without pickling."""
    np.save(path, matrix, allow_pickle=False)


def read_matrix(path: Path) -> NDArray[Any]:
    """Memory-map an array; pickled content is refused."""
    loaded: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return loaded
