"""The count sketch, with the dense Gaussian projection as its yardstick."""

import hashlib

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.methods.projection import CountTable, FoldTable, Sketch, SketchKind, add_sketch, sketch_table

KINDS: tuple[SketchKind, ...] = ("count", "sign-fold")
each_kind = pytest.mark.parametrize("kind", KINDS)


def count_table(sketch: Sketch, name: str, shape: tuple[int, ...]) -> CountTable:
    table = sketch_table(sketch, name, shape)
    assert isinstance(table, CountTable)
    return table


def fold_table(sketch: Sketch, name: str, shape: tuple[int, ...]) -> FoldTable:
    table = sketch_table(sketch, name, shape)
    assert isinstance(table, FoldTable)
    return table


def sketched(rows: Tensor, sketch: Sketch, name: str = "w") -> Tensor:
    cells = torch.zeros(len(rows), sketch.dim)
    add_sketch(cells, rows.clone(), sketch_table(sketch, name, (rows.shape[1],)))
    return cells


def gaussian(rows: Tensor, dim: int) -> Tensor:
    """The plain way: a dense matrix of N(0, 1 / dim)."""
    matrix = torch.randn(rows.shape[1], dim, generator=torch.Generator().manual_seed(1))
    projected: Tensor = rows @ matrix / dim**0.5
    return projected


def cosine_errors(rows: Tensor, projected: Tensor) -> Tensor:
    """Error of the cosine of every two rows."""
    upper = torch.triu_indices(len(rows), len(rows), offset=1)
    true, found = (
        (unit @ unit.T)[upper[0], upper[1]]
        for unit in (torch.nn.functional.normalize(each, dim=1) for each in (rows, projected))
    )
    return found - true


@each_kind
@pytest.mark.parametrize("dim", [256, 1024])
def test_inner_products_are_kept(dim: int, kind: SketchKind) -> None:
    """RMSE of cosines <= 1.1 / sqrt(dim), without bias, and no worse than dense (within 10 %)."""
    rows = torch.randn(120, 6000, generator=torch.Generator().manual_seed(0)) + 0.5
    errors = cosine_errors(rows, sketched(rows, Sketch(dim, 0, kind)))
    rmse = errors.square().mean().sqrt()
    assert rmse <= 1.1 / dim**0.5
    assert rmse <= 1.1 * cosine_errors(rows, gaussian(rows, dim)).square().mean().sqrt() + 0.1 / dim**0.5


@each_kind
def test_estimates_have_no_bias_over_seeds(kind: SketchKind) -> None:
    """Over 400 seeds the mean inner product is the true one: s.d. of the mean is |a| |b| / sqrt(64 x 400)."""
    rows = torch.randn(2, 500, generator=torch.Generator().manual_seed(0)) + 0.3
    sketches = (sketched(rows, Sketch(64, seed, kind)) for seed in range(400))
    products = [float(cells[0] @ cells[1]) for cells in sketches]
    spread = float(rows[0].norm() * rows[1].norm()) / (64 * 400) ** 0.5
    assert abs(np.mean(products) - float(rows[0] @ rows[1])) < 4 * spread


def test_equals_the_plain_sum() -> None:
    """Coordinate j goes to cell index[j] with sign[j]; what was in the cells stays."""
    table = count_table(Sketch(8, 0), "w", (4, 5))
    rows = torch.randn(3, 20, generator=torch.Generator().manual_seed(0))
    cells = torch.ones(3, 8)
    add_sketch(cells, rows.clone(), table)
    plain = torch.ones(3, 8)
    for at in range(20):
        plain[:, table.index[at]] += table.sign[at] * rows[:, at]
    torch.testing.assert_close(cells, plain)


def test_folding_equals_the_plain_sum() -> None:
    """Coordinate j goes to cell (j + turn) % 8 with sign[j]; 20 coordinates are two and a half stretches."""
    table = fold_table(Sketch(8, 0, "sign-fold"), "w", (4, 5))
    assert table.turn > 0
    rows = torch.randn(3, 20, generator=torch.Generator().manual_seed(0))
    cells = torch.ones(3, 8)
    add_sketch(cells, rows.clone(), table)
    plain = torch.ones(3, 8)
    for at in range(20):
        plain[:, (at + table.turn) % 8] += table.sign[at] * rows[:, at]
    torch.testing.assert_close(cells, plain)


@each_kind
def test_half_precision_is_summed_in_single(kind: SketchKind) -> None:
    rows, sketch = torch.full((1, 4096), 1.0 + 2**-7, dtype=torch.bfloat16), Sketch(4, 0, kind)
    assert torch.equal(sketched(rows, sketch), sketched(rows.float(), sketch))


def test_the_table_never_changes() -> None:
    """Stored banks depend on these values: if they change, raise the version of the gradients stage."""
    table = count_table(Sketch(1000, 7), "layer.weight", (2, 4))
    assert (table.index * table.sign).tolist() == [-348, -733, 776, -701, 572, 841, 746, 284]
    fold = fold_table(Sketch(1000, 7, "sign-fold"), "layer.weight", (2, 4))
    assert (fold.turn, fold.sign.tolist()) == (285, [-1, -1, 1, -1, 1, 1, 1, 1])


def test_the_table_equals_splitmix_in_plain_integers() -> None:
    """The same, one coordinate at a time with Python's integers modulo 2^64."""
    table = count_table(Sketch(1000, 7), "layer.weight", (2, 4))
    word = 2**64 - 1
    start = int.from_bytes(hashlib.sha256(b"layer.weight|(2, 4)|7|1000").digest()[:8], "little")
    for at in range(8):
        bits = (start + at * 0x9E3779B97F4A7C15) & word
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & word
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & word
        bits ^= bits >> 31
        assert int(table.index[at]) == (bits >> 1) % 1000
        assert int(table.sign[at]) == (1 if bits & 1 else -1)


def test_the_table_depends_on_all_it_should() -> None:
    base = count_table(Sketch(512, 0), "a", (8, 64))
    again = count_table(Sketch(512, 0), "a", (8, 64))
    assert torch.equal(base.index, again.index)
    assert torch.equal(base.sign, again.sign)
    for other in (
        count_table(Sketch(512, 1), "a", (8, 64)),
        count_table(Sketch(512, 0), "b", (8, 64)),
        count_table(Sketch(512, 0), "a", (64, 8)),
    ):
        assert (other.index == base.index).float().mean() < 0.05
        assert abs(float((other.sign * base.sign).float().mean())) < 0.2


def test_small_parameters_are_spread_over_all_cells() -> None:
    """64 coordinates into 512 cells: about half in each half, and signs balanced (s.d. 4)."""
    table = count_table(Sketch(512, 0), "small", (64,))
    assert abs(int((table.index >= 256).sum()) - 32) < 16
    assert abs(int((table.sign > 0).sum()) - 32) < 16
    assert int(table.index.max()) < 512


def test_folds_of_small_parameters_start_anywhere() -> None:
    """40 layers of 64 coordinates reach most of 512 cells: unturned they would share the first 64."""
    turns = {fold_table(Sketch(512, 0, "sign-fold"), f"layer.{at}", (64,)).turn for at in range(40)}
    reached = {(at + turn) % 512 for turn in turns for at in range(64)}
    assert len(reached) > 450
