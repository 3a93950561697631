"""Which GPU of this machine each worker of the local engine works on. Loads no torch."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from itertools import cycle, islice, takewhile
from math import ceil

VISIBLE = "CUDA_VISIBLE_DEVICES"
ANSWER_S = 30.0
"""How long `nvidia-smi` may take; without a driver that stays loaded it needs seconds for each GPU."""


def placements(devices: Sequence[str], jobs: int, together: int) -> list[dict[str, str]]:
    """What to add to the environment of each of `jobs` workers, so that they share the GPUs out.

    A process works on the first GPU that it sees, and P processes that share a training on the first P. So
    each worker sees all GPUs, beginning with another one: with fewer it could not share a training, nor read
    the energy of all. The first ones are dealt out `together` apart, and then those between them: where a
    task takes 4 of 8, they are 0, 4, 1, 5, 2, 6, 3, 7, and the tasks of the first two workers do not meet.

    Args:
        devices: the GPUs, by the names that CUDA_VISIBLE_DEVICES takes.
        jobs: how many workers there are; where there are more than GPUs, they take turns.
        together: GPUs that one task takes, at the most; at least 1.
    """
    if len(devices) < 2:
        return [{} for _ in range(jobs)]
    firsts = [at for start in range(together) for at in range(start, len(devices), together)]
    return [{VISIBLE: ",".join([*devices[at:], *devices[:at]])} for at in islice(cycle(firsts), jobs)]


def taken(place: Mapping[str, str], devices: Sequence[str], gpus: float) -> dict[str, float]:
    """How much of which GPUs a task takes: a part of its worker's first one, or the whole of several.

    Args:
        place: the worker's, of `placements`.
        devices: the GPUs; there may be none.
        gpus: what the task takes; more than there are is all of them.
    """
    seen = place[VISIBLE].split(",") if place else devices
    return dict.fromkeys(seen[: ceil(gpus)], min(gpus, 1.0))


def devices_here() -> list[str]:
    """The GPUs that processes started here may use: those that CUDA_VISIBLE_DEVICES names, else all.

    CUDA reads that list up to the first name that is none, such as -1.
    """
    named = os.environ.get(VISIBLE)
    if named is None:
        return [str(number) for number in range(count_gpus(_nvidia_smi()))]
    return list(takewhile(lambda name: name[:1] not in ("", "-"), map(str.strip, named.split(","))))


def count_gpus(listing: str) -> int:
    """How many GPUs `nvidia-smi -L` lists; 0 where some are cut into slices (MIG), which must be named."""
    lines = [line.strip() for line in listing.splitlines()]
    cut = any(line.startswith("MIG ") for line in lines)
    return 0 if cut else sum(line.startswith("GPU ") for line in lines)


def _nvidia_smi() -> str:
    """What it lists; nothing where it is not there, or there is no driver for it to ask."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=ANSWER_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
