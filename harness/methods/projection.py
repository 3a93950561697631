"""The count sketch: a random projection that needs no matrix.

Each coordinate of a gradient is added, with a random sign, to one of `dim` random cells. Inner products are
kept with an error of about 1 / sqrt(dim), the same as by a dense Gaussian matrix (Charikar, Chen and
Farach-Colton 2002; Weinberger et al. 2009, arXiv 0902.2206).
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class Sketch:
    """`dim` cells; `seed` fixes which coordinate goes where."""

    dim: int
    seed: int


@dataclass(frozen=True, eq=False)
class SketchTable:
    """For each coordinate of one parameter, its cell `index` [D] (int64) and `sign` [D] (int8, +1 or -1)."""

    index: Tensor
    sign: Tensor

    def to(self, device: torch.device) -> "SketchTable":
        """The same table on another device."""
        return SketchTable(self.index.to(device), self.sign.to(device))


def sketch_table(sketch: Sketch, name: str, shape: tuple[int, ...]) -> SketchTable:
    """The table of one parameter: a pure function of the name, the shape, the seed and the dim.

    So shards, resumed runs and other batch sizes agree, and every parameter is spread over all cells.
    The hash is our own arithmetic, because library generators may change their streams between versions.
    """
    text = f"{name}|{shape}|{sketch.seed}|{sketch.dim}"
    start = np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], "<u8")
    bits = _splitmix(start + np.arange(np.prod(shape), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    index = ((bits >> np.uint64(1)) % np.uint64(sketch.dim)).astype(np.int64)
    sign = (bits & np.uint64(1)).astype(np.int8) * 2 - 1
    return SketchTable(torch.from_numpy(index), torch.from_numpy(sign))


def add_sketch(cells: Tensor, rows: Tensor, table: SketchTable) -> None:
    """Add the sketch of `rows` [b, D] to `cells` [b, dim] (fp32), in place."""
    cells.index_add_(1, table.index, rows.float() * table.sign)


def _splitmix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The output function of SplitMix64 (Steele, Lea and Flood 2014): mixes every bit into every other."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
