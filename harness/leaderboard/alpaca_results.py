"""Results that alpaca_eval wrote elsewhere, read as they are published: annotations of one or of many models.

Read is every `annotations.json`, `.jsonl`, or their `.gz`, up to two folders down: the layout of the
alpaca_eval repository (results/MODEL/ANNOTATOR/annotations.json), what its `--output_path` writes, and one
file for many models. A row has a preference from 1 (reference better) to 2; null, NaN and -1 are missing
judgments. It names its model (the folder MODEL, `generator_2` or `model`), its instruction (or an `index`),
and both outputs (or `len_baseline` and `len_model`).
"""

import csv
import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import BadInput
from harness.leaderboard.record import Sample

NAMES = ("annotations.json", "annotations.jsonl", "annotations.json.gz", "annotations.jsonl.gz")
DEPTH = 3
SHOWN = 8
LONGEST = 1e9  # characters
MISSING = -1
ROUNDING = 1e-6  # published preferences leave 1..2 by about 2e-7
UNNAMED = "reference"


@dataclass
class Rows:
    """One model's rows: item -> win rates in percent and lengths in characters, one for each judgment."""

    win_rates: dict[str, list[float | None]] = field(default_factory=dict)
    lengths: dict[str, list[float | None]] = field(default_factory=dict)
    reference_lengths: dict[str, list[float | None]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)


@dataclass(frozen=True)
class Published:
    """All models' rows under one annotator against one reference, and a digest of their files."""

    models: dict[str, Rows]
    annotator: str
    reference: str
    digest: str


@dataclass(frozen=True)
class _File:
    path: Path
    model: str | None
    annotator: str | None


def read_annotations(folder: Path, annotator: str | None = None, reference: str | None = None) -> Published:
    """All results in `folder`; `annotator` chooses one of several, `reference` names what has no name.

    Raises:
        BadInput: there are none, those of several annotators or references, or a file or row is wrong.
    """
    files = [file for file in _files(folder) if annotator in (None, file.annotator)]
    if not files:
        of = f" of annotator '{annotator}'" if annotator else ""
        raise BadInput(f"{folder}: holds no {NAMES[0]}{of}. Name a folder of alpaca_eval's results.")
    models: dict[str, Rows] = {}
    annotators: set[str] = set()
    references: set[str] = set()
    digest = hashlib.sha256()
    for file in files:
        content = _content(file.path)
        digest.update(content)
        for number, row in enumerate(_rows(file.path, content), start=1):
            try:
                _add(models, file.model or str(row.get("generator_2") or row["model"]), row)
                annotators.add(file.annotator or str(row.get("annotator", "not named")))
                references.add(str(row.get("generator_1", "")))
            except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
                raise BadInput(f"{file.path}: row {number}: {_reason(error)}. Mend or delete it.") from None
    named = references - {""} or {reference or _always_tied(models) or UNNAMED}
    return Published(
        models,
        _only(folder, "annotator", annotators, "Choose one with --annotator."),
        _only(folder, "reference", named, "Import the models of one reference at a time."),
        digest.hexdigest(),
    )


def read_leaderboard(folder: Path) -> dict[str, dict[str, str]]:
    """Model -> its published row, from every CSV whose name holds "leaderboard", up to three folders down."""
    found: dict[str, dict[str, str]] = {}
    for depth in range(DEPTH):
        for path in sorted(folder.glob("*/" * depth + "*leaderboard*.csv")):
            text = _content(path).decode("utf-8", errors="replace")
            try:
                for row in csv.DictReader(text.splitlines(), strict=True):
                    found.setdefault(row.get("") or row.get("name") or "", row)
            except csv.Error as error:
                raise BadInput(f"{path}: is not CSV: {error}. Fetch it again.") from None
    return found


def _files(folder: Path) -> list[_File]:
    found = []
    for depth in range(DEPTH):
        for path in sorted(path for name in NAMES for path in folder.glob("*/" * depth + name)):
            parts = path.relative_to(folder).parts
            nested = parts[-3] if len(parts) >= 3 else None
            found.append(_File(path, nested, parts[-2] if nested else None))
    return found


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: cannot be read: {error}. Fetch it again.") from None


def _rows(path: Path, content: bytes) -> Sequence[Any]:
    lines = path.name.removesuffix(".gz").endswith("l")
    try:
        rows = (
            [json.loads(line) for line in content.splitlines() if line.strip()]
            if lines
            else json.loads(content)
        )
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: is not complete JSON: {error}. Fetch it again.") from None
    if not isinstance(rows, list):
        raise BadInput(
            f"{path}: must hold a list of annotations. Got a {type(rows).__name__}. Fetch it again."
        )
    return rows


def _add(models: dict[str, Rows], model: str, row: Mapping[str, Any]) -> None:
    item = str(row["index"]) if "index" in row else _short(row["instruction"])
    model.encode()  # half a surrogate pair could name no file
    own = models.setdefault(model, Rows())
    preference = _preference(row["preference"])
    own.win_rates.setdefault(item, []).append(None if preference is None else 100 * (preference - 1))
    for lengths, name, text in (
        (own.lengths, "len_model", "output_2"),
        (own.reference_lengths, "len_baseline", "output_1"),
    ):
        lengths.setdefault(item, []).append(_length(row[name] if name in row else len(row[text])))
    if "output_2" in row and len(own.samples) < SHOWN:
        own.samples.append(
            Sample(
                prompt=row["instruction"],
                reference=row["output_1"],
                output=row["output_2"],
                preference=preference,
            )
        )


def _preference(value: Any) -> float | None:
    if value is None or value == MISSING or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"preference must be a number. Got {value!r}")
    if not 1 - ROUNDING <= value <= 2 + ROUNDING:
        raise ValueError(f"preference must lie between 1 and 2. Got {value}")
    return float(value)


def _length(value: Any) -> float:
    if not 0 <= (length := float(value)) <= LONGEST:
        raise ValueError(f"a length must lie between 0 and {LONGEST:,.0f}. Got {value}")
    return length


def _short(instruction: str) -> str:
    return hashlib.sha256(instruction.encode()).hexdigest()[:16]


def _reason(error: Exception) -> str:
    return f"lacks {error}" if isinstance(error, KeyError) else str(error)


def _always_tied(models: Mapping[str, Rows]) -> str | None:
    """The one model that ties with the reference on every item, so that it is the reference."""
    tied = [
        model
        for model, rows in models.items()
        if all(value == 50 for values in rows.win_rates.values() for value in values)
    ]
    return tied[0] if len(tied) == 1 else None


def _only(folder: Path, what: str, found: set[str], remedy: str) -> str:
    if len(found) != 1:
        raise BadInput(f"{folder}: has results of more than one {what}: {', '.join(sorted(found))}. {remedy}")
    return found.pop()
