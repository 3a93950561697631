"""Variants of the same work, timed against each other in one process."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median

ROUNDS = 5


def interleaved(variants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median processor seconds of each variant.

    Once each to warm up, then A B C A B C ...: what the machine does meanwhile then falls on all alike.
    Processor time, not wall time, as other processes may share the cores.
    """
    return interleaved_prepared({name: partial(_as_it_is, work) for name, work in variants.items()}, rounds)


def interleaved_prepared(
    makers: Mapping[str, Callable[[], Callable[[], object]]], rounds: int = ROUNDS
) -> dict[str, float]:
    """The same of work that is made anew each time, outside the clock, since it can run only once."""
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    for turn in range(rounds + 1):
        for name, make in makers.items():
            work = make()
            start = time.process_time()
            work()
            if turn > 0:
                seconds[name].append(time.process_time() - start)
    return {name: median(taken) for name, taken in seconds.items()}


def _as_it_is(work: Callable[[], object]) -> Callable[[], object]:
    return work
