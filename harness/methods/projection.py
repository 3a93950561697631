"""Sketches: random projections that need no matrix.

Inner products are kept with an error of about 1 / sqrt(dim), the same as by a dense Gaussian matrix.

- count: each coordinate of a gradient is added, with a random sign, to one of `dim` random cells (Charikar,
  Chen and Farach-Colton 2002; Weinberger et al. 2009, arXiv 0902.2206).
- sign-fold: each coordinate gets a random sign, the parameter is cut into stretches of `dim`, and these are
  added up, turned by a random offset. A count sketch whose cells are drawn once for each parameter: its
  tables take a byte for each coordinate, not nine. Turned, since layers shorter than `dim` would otherwise
  all share the first cells.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

SketchKind = Literal["count", "sign-fold"]


@dataclass(frozen=True)
class Sketch:
    """`dim` cells; `seed` fixes which coordinate goes where."""

    dim: int
    seed: int
    kind: SketchKind = "count"


@dataclass(frozen=True, eq=False)
class CountTable:
    """For each coordinate of one parameter, its cell `index` [D] (int64) and `sign` [D] (int8, +1 or -1)."""

    index: Tensor
    sign: Tensor

    def to(self, device: torch.device) -> "CountTable":
        """The same table on another device."""
        return CountTable(self.index.to(device), self.sign.to(device))


@dataclass(frozen=True, eq=False)
class FoldTable:
    """`sign` [D] (int8) of each coordinate of one parameter; coordinate j goes to cell (j + turn) % dim."""

    turn: int
    sign: Tensor

    def to(self, device: torch.device) -> "FoldTable":
        """The same table on another device."""
        return FoldTable(self.turn, self.sign.to(device))


SketchTable = CountTable | FoldTable


def sketch_table(sketch: Sketch, name: str, shape: tuple[int, ...]) -> SketchTable:
    """The table of one parameter: a pure function of the name, the shape, the seed, the dim and the kind.

    So shards, resumed runs and other batch sizes agree, and every parameter is spread over all cells.
    The hash is our own arithmetic, because library generators may change their streams between versions.
    """
    text = f"{name}|{shape}|{sketch.seed}|{sketch.dim}"
    start = np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], "<u8")
    bits = _splitmix(start + np.arange(np.prod(shape), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    sign = torch.from_numpy((bits & np.uint64(1)).astype(np.int8) * 2 - 1)
    match sketch.kind:
        case "count":
            index = ((bits >> np.uint64(1)) % np.uint64(sketch.dim)).astype(np.int64)
            return CountTable(torch.from_numpy(index), sign)
        case "sign-fold":
            return FoldTable(int(start[0] % np.uint64(sketch.dim)), sign)
        case _:
            assert_never(sketch.kind)


def add_sketch(cells: Tensor, rows: Tensor, table: SketchTable) -> None:
    """Add the sketch of `rows` [b, D] to `cells` [b, dim] (fp32), in place. Rows in fp32 are used up."""
    signed = rows.float().mul_(table.sign)
    match table:
        case CountTable():
            cells.index_add_(1, table.index, signed)
        case FoldTable():
            dim = cells.shape[1]
            whole = F.pad(signed, (0, -signed.shape[1] % dim))
            cells += whole.view(len(rows), -1, dim).sum(1).roll(table.turn, 1)
        case _:
            assert_never(table)


def _splitmix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The output function of SplitMix64 (Steele, Lea and Flood 2014): mixes every bit into every other."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
