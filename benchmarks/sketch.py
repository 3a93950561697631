"""What the count sketch does to the cosines between pair gradients, of two trained models.

A projection to `dim` numbers adds an error of about 1 / sqrt(dim) to every cosine: of unit rows u, v the
product of their random projections has the variance (1 + (u v)^2 - 2 sum u_i^2 v_i^2) / dim, about 1 / dim
where u v is small, whichever projection it is. So with a spread s (standard deviation) of the true cosines
the correlation with them cannot exceed s / sqrt(s^2 + 1 / dim): see `implied_correlation`. For 0.97 at 2,048
numbers that asks for s >= 0.088. It is a property of the data and not of the sketch:

- Atlas world: s = 0.079, limit 0.963; 0.97 needs about 2,560 numbers there, and no projection to 2,048 can
  give it.
- a model trained on real text (the set-up of the prototype, which gave 0.970 to 0.971): s = 0.083 or 0.096 as
  the training goes (`text_model`), limit 0.966 or 0.974. So that set-up reaches 0.97 or misses it by how long
  the model was trained.

Hence no bound of 0.97 here: what is held is the error, and a correlation as good as a dense projection's.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.commands import device
from benchmarks.features import Task, correlation, cosines, exact_gradients, make_task, recall
from benchmarks.figure import Benchmark, Figure, at_least, at_most
from benchmarks.text_model import text_task
from harness.methods.clustering import Matrix
from harness.methods.projection import Sketch, add_sketch, sketch_table

NAME, DIMS, SEEDS = "sketch", (512, 1024, 2048, 4096), (0, 1, 2)

AS_DENSE = 0.005
"""How far below that of the dense projection the correlation may lie."""


DATA: Mapping[str, Callable[[Path], Task]] = {"Atlas": make_task, "model of Python source": text_task}


def implied_correlation(error: float, spread: float) -> float:
    """Of values with standard deviation `spread` and the same with independent errors of RMSE `error`.

    Their covariance is spread^2, their variances are spread^2 and spread^2 + error^2:
    spread^2 / sqrt(spread^2 (spread^2 + error^2)) = 1 / sqrt(1 + error^2 / spread^2).
    """
    return float(1 / np.sqrt(1 + (error / spread) ** 2))


def measure() -> list[Figure]:
    """Errors at some dimensions, means over sketch seeds, beside the dense Gaussian projection."""
    torch.set_num_threads(1)
    return [figure for name, make in DATA.items() for figure in _measured(name, make)]


def _measured(name: str, make: Callable[[Path], Task]) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        task = make(Path(folder))
        gradients = exact_gradients(task)
    exact = cosines(gradients, task.pairs)
    spread = float(np.std(_above(exact)))
    figures = [_figure(f"{name}: standard deviation of the true cosines", spread)]
    for dim in DIMS:
        found = {
            project: [cosines(project(gradients, dim, seed), task.pairs) for seed in SEEDS]
            for project in (count_sketch, gaussian)
        }
        errors = [np.sqrt(np.mean((_above(each) - _above(exact)) ** 2)) for each in found[count_sketch]]
        ours, dense = (_mean(correlation, found[project], exact) for project in (count_sketch, gaussian))
        case, error = f"{name}, {dim} numbers", float(np.mean(errors))
        figures += [
            at_most(_figure(f"{case}: RMSE of pair cosines x sqrt(dim)", error * dim**0.5), 1.1),
            at_least(
                _figure(f"{case}: correlation of pair cosines", ours),
                round(dense - AS_DENSE, 4),
            ),
            _figure(f"{case}: what that error implies for them", implied_correlation(error, spread)),
            _figure(f"{case}: the same by a dense Gaussian matrix", dense),
            _figure(f"{case}: recall@10", _mean(recall, found[count_sketch], exact)),
        ]
    return figures


def count_sketch(gradients: Matrix, dim: int, seed: int) -> Matrix:
    """[n, dim] as the bank does it, of gradients taken as one parameter; in fp16, as on disk."""
    cells = torch.zeros((len(gradients), dim))
    table = sketch_table(Sketch(dim, seed), "all", (gradients.shape[1],))
    add_sketch(cells, torch.tensor(gradients), table)
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
