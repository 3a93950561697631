"""Clustering pair features: time and memory."""

import multiprocessing
from functools import partial

import numpy as np

from benchmarks.commands import device
from benchmarks.figure import Benchmark, Figure, at_most
from benchmarks.memory import GIB, Peak
from benchmarks.simulated import DIM, PER_PROMPT, simulated_bank, simulated_candidates
from benchmarks.timing import interleaved
from harness.methods.clustering import cluster_pairs
from harness.methods.features import PairRows, pair_features

NAME, PAIRS, CLUSTERS = "clustering", 50_000, 100


def measure() -> list[Figure]:
    """In a process of its own, so that its memory is all that is seen."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, bytes_held = pool.apply(cluster)
    case = f"{PAIRS:,} pairs x {DIM:,} into {CLUSTERS}"
    return [
        at_most(_figure(f"{case}: processor time", seconds, "s"), 10),
        at_most(_figure(f"{case}: memory of the process", bytes_held / GIB, "GiB"), 1.5e9 / GIB),
    ]


def cluster() -> tuple[float, int]:
    """Median processor seconds from the bank on disk to labels and distances; bytes at the peak."""
    responses = -(-PAIRS // (PER_PROMPT * (PER_PROMPT - 1) // 2)) * PER_PROMPT
    candidates = simulated_candidates(responses).take(np.arange(PAIRS))
    with simulated_bank(responses) as bank:
        rows = PairRows(candidates, partial(pair_features, bank))
        with Peak() as held:
            seconds = interleaved({"all": lambda: cluster_pairs(rows, CLUSTERS, seed=0)})
    return seconds["all"], held.own


def _figure(case: str, value: float, unit: str) -> Figure:
    return Figure(NAME, case, value, unit, "-", None, device(), f"python -m benchmarks {NAME}")


BENCHMARKS = (Benchmark(NAME, "clustering 50,000 pair features: time and memory", measure),)
