"""What the engines cost and gain: two worker processes against one, and Ray against the local engine."""

from importlib.util import find_spec
from pathlib import Path
from statistics import mean

from benchmarks.commands import DEFAULT, SMOKE, device, project, timed
from benchmarks.figure import Benchmark, Figure, Skipped, at_least, at_most
from benchmarks.kills import results

GAIN = 1.6
RAY_SECONDS, RAY_SHARE = 15.0, 0.05


def _side_by_side(recipe: str, *variants: tuple[str, ...]) -> list[float]:
    """Wall seconds of a recipe run with each of these options, from an empty store each time.

    Raises:
        RuntimeError: if the boards differ in more than time and provenance.
    """
    seconds, boards = [], []
    for words in variants:
        folder = project()
        seconds.append(timed(folder, "run", recipe, *words).seconds)
        boards.append(results(folder))
    if any(board != boards[0] for board in boards):
        raise RuntimeError(f"{recipe}: the boards of {variants} differ")
    return seconds


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

    The local engine runs before and after, as a machine's speed drifts by more in a run than Ray costs.

    Raises:
        Skipped: Ray is not installed.
    """
    if find_spec("ray") is None:
        raise Skipped("Ray is not installed")
    figures = []
    for recipe in (SMOKE, DEFAULT):
        local = ("--jobs", "2")
        before, cluster, after = _side_by_side(recipe, local, (*local, "--engine", "ray"), local)
        usual = mean((before, after))
        case = (
            f"{Path(recipe).name}, same board: --engine ray ({cluster:.0f} s) beyond the mean of "
            f"local before ({before:.0f} s) and after ({after:.0f} s)"
        )
        bound = round(RAY_SECONDS + RAY_SHARE * usual, 1)
        figures.append(at_most(_figure("ray", case, cluster - usual, "s"), bound))
    return figures


def _figure(name: str, case: str, value: float, unit: str) -> Figure:
    return Figure(name, case, value, unit, "-", None, device(), f"python -m benchmarks {name}")


BENCHMARKS = (
    Benchmark("jobs", "two worker processes against one", measure_jobs),
    Benchmark("ray", "what Ray costs beyond the local engine", measure_ray),
)
