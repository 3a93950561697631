"""What the count sketch does to the cosines between pair gradients, on the embedded world's base model."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.commands import device
from benchmarks.features import correlation, cosines, exact_gradients, make_task, recall
from benchmarks.figure import Benchmark, Figure, at_least, at_most
from harness.methods.clustering import Matrix
from harness.methods.projection import Sketch, add_sketch, sketch_table

NAME, DIMS, SEEDS = "sketch", (512, 1024, 2048, 4096), (0, 1, 2)

AS_DENSE = 0.002
"""How far below that of the dense projection the correlation may lie.

Any projection whose error is 1 / sqrt(dim) gives cosines of spread s a correlation of about
1 / sqrt(1 + 1 / (dim s^2)): a floor of its own would be one on the data.
"""


def measure() -> list[Figure]:
    """Errors at some dimensions, means over sketch seeds, beside the dense Gaussian projection."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        task = make_task(Path(folder))
        gradients = exact_gradients(task)
    exact = cosines(gradients, task.pairs)
    figures = [_figure("standard deviation of the true cosines", float(np.std(_above(exact))))]
    for dim in DIMS:
        found = {
            project: [cosines(project(gradients, dim, seed), task.pairs) for seed in SEEDS]
            for project in (count_sketch, gaussian)
        }
        errors = [np.sqrt(np.mean((_above(each) - _above(exact)) ** 2)) for each in found[count_sketch]]
        ours, dense = (_mean(correlation, found[project], exact) for project in (count_sketch, gaussian))
        case = f"{dim} numbers"
        figures += [
            at_most(_figure(f"{case}: RMSE of pair cosines x sqrt(dim)", np.mean(errors) * dim**0.5), 1.1),
            at_least(_figure(f"{case}: correlation of pair cosines", ours), round(dense - AS_DENSE, 4)),
            _figure(f"{case}: the same by a dense Gaussian matrix", dense),
            _figure(f"{case}: recall@10", _mean(recall, found[count_sketch], exact)),
        ]
    return figures


def count_sketch(gradients: Matrix, dim: int, seed: int) -> Matrix:
    """[n, dim] as the bank does it, of gradients taken as one parameter; in fp16, as on disk."""
    cells = torch.zeros((len(gradients), dim))
    table = sketch_table(Sketch(dim, seed), "all", (gradients.shape[1],))
    add_sketch(cells, torch.from_numpy(gradients), table)
    found: Matrix = cells.half().float().numpy()
    return found


def gaussian(gradients: Matrix, dim: int, seed: int, block: int = 256) -> Matrix:
    """[n, dim] by a dense matrix of N(0, 1 / dim), drawn in blocks of its columns."""
    draw = torch.Generator().manual_seed(seed)
    rows = torch.from_numpy(gradients)
    parts = [rows @ torch.randn(rows.shape[1], block, generator=draw) for _ in range(dim // block)]
    found: Matrix = (torch.cat(parts, dim=1) / dim**0.5).numpy()
    return found


def _above(table: Matrix) -> Matrix:
    """The entries of two different pairs, once each."""
    return table[np.triu_indices(len(table), k=1)]


def _mean(measure_of: Callable[[Matrix, Matrix], float], found: list[Matrix], exact: Matrix) -> float:
    return float(np.mean([measure_of(each, exact) for each in found]))


def _figure(case: str, value: float | np.floating[Any]) -> Figure:
    return Figure(NAME, case, float(value), "", "-", None, device(), f"python -m benchmarks {NAME}")


BENCHMARKS = (Benchmark(NAME, "what the sketch does to the cosines between pair gradients", measure),)
