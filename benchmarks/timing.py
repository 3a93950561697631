"""Variants of the same work, timed against each other in one process."""

import time
from collections.abc import Callable, Mapping
from statistics import median

ROUNDS = 5


def interleaved(variants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median processor seconds of each variant.

    Once each to warm up, then A B C A B C ...: what the machine does meanwhile then falls on all alike.
    Processor time, not wall time, as other processes may share the cores.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name, work in variants.items():
            start = time.process_time()
            work()
            if turn > 0:
                seconds[name].append(time.process_time() - start)
    return {name: median(taken) for name, taken in seconds.items()}
