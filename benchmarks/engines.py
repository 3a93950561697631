"""What the engines cost and gain: two worker processes against one, and Ray against the local engine."""

import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

from benchmarks.commands import DEFAULT, HARNESS, SMOKE, device, project
from benchmarks.figure import Benchmark, Figure, Skipped, at_least, at_most
from benchmarks.kills import results

GAIN = 1.6
RAY_SECONDS, RAY_SHARE = 15.0, 0.05
TURN_S = 2.0
"""Short beside what a machine's speed drifts in, and beside what Ray takes for a process's death."""


def _side_by_side(recipe: str, *variants: tuple[str, ...]) -> list[float]:
    """Wall seconds of a recipe run with each of these options, from an empty store each.

    They take turns, and all processes of the others stand still: the speed of a shared machine may change by
    a third from one run to the next, and so it changes for all of them.

    Raises:
        RuntimeError: if one fails, or the boards differ in more than time and provenance.
    """
    folders = [project() for _ in variants]
    runs = [_begin(folder, recipe, words) for folder, words in zip(folders, variants, strict=True)]
    seconds = [0.0 for _ in runs]
    try:
        while any(run.poll() is None for run in runs):
            for place, run in enumerate(runs):
                seconds[place] += _turn(run)
    finally:
        for run in runs:
            for process in _family(run):
                process.kill()
    for folder, run, words in zip(folders, runs, variants, strict=True):
        if run.returncode != 0:
            raise RuntimeError(
                f"{recipe} {' '.join(words)} failed:\n{(folder / 'output').read_text()[-2000:]}"
            )
    boards = [results(folder) for folder in folders]
    if any(board != boards[0] for board in boards):
        raise RuntimeError(f"{recipe}: the boards of {variants} differ")
    return seconds


def _begin(folder: Path, recipe: str, words: Sequence[str]) -> psutil.Popen:
    """A run that stands still at its first instructions."""
    with (folder / "output").open("wb") as output:
        run = psutil.Popen(
            [HARNESS, "run", recipe, *words], cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    run.suspend()
    return run


def _turn(run: psutil.Popen) -> float:
    """Let a run go on for a turn or to its end; the seconds that it took, none after its end."""
    family, began = _family(run), time.perf_counter()
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.resume()
    with suppress(psutil.TimeoutExpired):
        run.wait(TURN_S)
    seconds, still = time.perf_counter() - began, set[psutil.Process]()
    while new := set(_family(run)) - still:  # one may have begun another before it was told
        for process in new:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        still |= new
    return seconds


def _family(run: psutil.Popen) -> list[psutil.Process]:
    """A run's processes, the first one first; none after its end."""
    try:
        return [psutil.Process(run.pid), *run.children(recursive=True)] if run.poll() is None else []
    except psutil.NoSuchProcess:
        return []


def measure_jobs() -> list[Figure]:
    """`--jobs 2` against `--jobs 1`; the bound is for the default recipe, on two cores with nothing else."""
    figures = []
    for recipe, bound in ((SMOKE, None), (DEFAULT, GAIN)):
        one, two = _side_by_side(recipe, ("--jobs", "1"), ("--jobs", "2"))
        case = f"{Path(recipe).name}, same board: --jobs 2 ({two:.0f} s) over --jobs 1 ({one:.0f} s)"
        figures.append(at_least(_figure("jobs", case, one / two, "x"), bound))
    return figures


def measure_ray() -> list[Figure]:
    """`--engine ray` on a cluster of its own against the local engine, two workers each.

    Raises:
        Skipped: Ray is not installed.
    """
    if find_spec("ray") is None:
        raise Skipped("Ray is not installed")
    figures = []
    for recipe in (SMOKE, DEFAULT):
        local, cluster = _side_by_side(recipe, ("--jobs", "2"), ("--jobs", "2", "--engine", "ray"))
        case = f"{Path(recipe).name}, same board: --engine ray ({cluster:.0f} s) beyond local ({local:.0f} s)"
        bound = round(RAY_SECONDS + RAY_SHARE * local, 1)
        figures.append(at_most(_figure("ray", case, cluster - local, "s"), bound))
    return figures


def _figure(name: str, case: str, value: float, unit: str) -> Figure:
    return Figure(name, case, value, unit, "-", None, device(), f"python -m benchmarks {name}")


BENCHMARKS = (
    Benchmark("jobs", "two worker processes against one", measure_jobs),
    Benchmark("ray", "what Ray costs beyond the local engine", measure_ray),
)
