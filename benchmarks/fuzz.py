"""Recipes made at random: each is right or answered with sentences, and quickly.

The generator, and what is asked of each case, are those of `tests/recipe/test_any_document.py`.
"""

import os
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.commands import device
from benchmarks.figure import Benchmark, Figure, at_least, at_most
from benchmarks.of_tests import of_tests

CASES = 10_000


def measure_fuzz() -> list[Figure]:
    """10,000 documents; an exception other than BadInput, or a broken sentence, ends the measurement.

    So it does in what is not counted: a tenth as many given to `harness check`, and a fifth of config files.
    """
    os.environ["HARNESS_FUZZ_CASES"] = str(CASES)  # read when the module is loaded
    tests = of_tests("recipe/test_any_document.py")
    seconds: list[float] = []
    answers: Counter[str] = Counter()
    problems = tests.problems

    def timed(folder: Path, content: bytes) -> tuple[str, ...]:
        started = time.perf_counter()
        found: tuple[str, ...] = problems(folder, content)
        seconds.append(time.perf_counter() - started)
        answers["refused" if found else "right"] += 1
        return found

    setattr(tests, "problems", timed)  # noqa: B010 - the module is known only when it is loaded
    with tempfile.TemporaryDirectory() as made:
        folder = tests.furnish(Path(made))
        for test in (
            tests.test_a_recipe_with_changes,
            tests.test_any_tables,
            tests.test_any_bytes,
            tests.test_any_config_file,
            tests.test_the_command_has_an_exit_code_and_no_traceback,
        ):
            test(folder)

    def figure(case: str, value: float, unit: str = "") -> Figure:
        return Figure("fuzz", case, value, unit, "-", None, device(), "-m benchmarks fuzz")

    return [
        at_least(figure("documents without a traceback", len(seconds)), CASES),
        figure("of these recipes that are right", answers["right"]),
        at_most(figure("the slowest one", max(seconds), "s"), 2),
    ]


BENCHMARKS = (
    Benchmark("fuzz", "10,000 recipes made at random: no traceback, and quick answers", measure_fuzz),
)
