"""Selection over banks of 10 thousand to a million responses: time and memory."""

import multiprocessing
import time
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from benchmarks.commands import device
from benchmarks.figure import Benchmark, Figure, at_most
from benchmarks.memory import GIB, Peak
from benchmarks.simulated import PER_PROMPT, simulated_bank, simulated_candidates
from harness.methods import depth, pairing
from harness.methods.clustering import cluster_pairs
from harness.methods.features import PairRows, pair_features

NAME, SIZES, CLUSTERS, PAIRS_PER_PROMPT = "selection-scale", (10_000, 100_000, 1_000_000), 100, 4

LINEAR = 1.3
"""How much dearer a response may be than in a pool a tenth as large."""


@dataclass(frozen=True)
class Selection:
    """Processor seconds by step, and bytes held at the peak."""

    seconds: dict[str, float]
    held: int

    @property
    def total(self) -> float:
        """Processor seconds of all steps."""
        return sum(self.seconds.values())


def measure() -> list[Figure]:
    """Each size in a process of its own, so that its memory is all that is seen."""
    found = {}
    for responses in SIZES:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found[responses] = pool.apply(select, (responses,))
    figures = []
    for responses, selection in found.items():
        case = f"{responses:,} responses"
        steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in selection.seconds.items())
        figures += [
            _figure(f"{case}: processor time ({steps})", selection.total, "s"),
            at_most(_figure(f"{case}: memory of the process", selection.held / GIB, "GiB"), 4e9 / GIB),
        ]
    for smaller, larger in pairwise(SIZES):
        growth = found[larger].total / larger / (found[smaller].total / smaller)
        case = f"time for a response, {larger:,} in all against {smaller:,}"
        figures.append(at_most(_figure(case, growth, ""), LINEAR))
    return figures


def select(responses: int) -> Selection:
    """From scores and a bank on disk to the chosen pairs."""
    seconds: dict[str, float] = {}
    rng = np.random.default_rng(0)
    with simulated_bank(responses) as bank, Peak() as held:
        clock = time.process_time()

        def lap(step: str) -> None:
            nonlocal clock
            seconds[step], clock = time.process_time() - clock, time.process_time()

        candidates = simulated_candidates(responses)
        lap("candidates")
        rows = PairRows(candidates, partial(pair_features, bank))
        clusters = cluster_pairs(rows, CLUSTERS, seed=0)
        lap("features and clusters")
        total = responses // PER_PROMPT * PAIRS_PER_PROMPT
        counts = depth.by_gradient_clusters(candidates, clusters, "near", total, rng)
        lap("depth")
        chosen = pairing.nearest(candidates, counts, clusters)
        lap("pairing")
    if len(chosen) != total:
        raise RuntimeError(f"{len(chosen)} pairs were chosen, not {total}")
    return Selection(seconds, held.own)


def _figure(case: str, value: float, unit: str) -> Figure:
    return Figure(NAME, case, value, unit, "-", None, device(), f"python -m benchmarks {NAME}")


BENCHMARKS = (Benchmark(NAME, "selection over up to a million responses: time and memory", measure),)
