"""How large a model is, by the headers of its weight files or by its name; nothing heavy is loaded."""

import json
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BadInput
from harness.models.hub import weight_files

_NOT_LINEAR = re.compile(r"embed|wte|wpe|lm_head|norm|score")
_IN_NAME = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)([bm])(?![a-z])", re.IGNORECASE)
_MOST = 100_000_000
"""Bytes of a header, as the format allows."""


@dataclass(frozen=True)
class Size:
    """Parameters of a model, and how many a LoRA adapter on all its linear layers has for each rank.

    `per_rank` is 0 where it is not known.
    """

    parameters: float
    per_rank: float = 0.0


def size_of_folder(folder: Path) -> Size:
    """The size of the model in a folder, with tied weights once.

    A factor pair of rank r on a layer of n inputs and m outputs has r (n + m) parameters (arXiv 2106.09685).

    Raises:
        BadInput: it holds no weights in safetensors.
    """
    shapes = {name: shape for file in weight_files(folder) for name, shape in _shapes(file)}
    linear = [shape for name, shape in shapes.items() if len(shape) == 2 and not _NOT_LINEAR.search(name)]
    return Size(float(sum(map(math.prod, shapes.values()))), float(sum(map(sum, linear))))


def size_in_name(name: str) -> Size | None:
    """The size that a model's name states, as in `Qwen2.5-7B-Instruct`; None where it states none."""
    found = _IN_NAME.search(name.rpartition("/")[2])
    if found is None:
        return None
    return Size(float(found.group(1)) * {"b": 1e9, "m": 1e6}[found.group(2).lower()])


def _shapes(file: Path) -> Iterator[tuple[str, list[int]]]:
    """Name and shape of each tensor: the file begins with the length of a JSON header (8 bytes), and it."""
    with file.open("rb") as opened:
        start = opened.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else _MOST + 1
        try:
            if length > _MOST:
                raise ValueError
            header = json.loads(opened.read(length))
            shapes = [(name, entry["shape"]) for name, entry in header.items() if name != "__metadata__"]
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            raise BadInput(f"{file}: is no safetensors file. Fetch it again.") from None
    yield from shapes
