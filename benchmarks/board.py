"""A board of AlpacaEval's size: how long its places and its table take, and its page in a browser."""

import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.commands import device
from benchmarks.figure import Benchmark, Figure, Skipped, at_most
from benchmarks.of_tests import of_tests
from benchmarks.timing import interleaved
from harness.leaderboard.assemble import make_table
from harness.leaderboard.board import write_board
from harness.leaderboard.bootstrap import DRAWS, rank_intervals
from harness.leaderboard.record import write_record

METHODS, REPLICATES, PROMPTS = 11, 5, 805
ON_PAGE, PAGE_REPLICATES = 30, 3
LOADS = 5
LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
"""Milliseconds since the browser was told to open the page; 0 as long as it is not done."""


def measure_board() -> list[Figure]:
    """Processor seconds of the places alone, from draws, and of all that a board's files are made from."""
    tables = np.random.default_rng(0).random((METHODS, REPLICATES, PROMPTS))
    seconds = interleaved(
        {
            "places": partial(rank_intervals, tables),
            "table": partial(make_table, _records(METHODS, REPLICATES)),
        }
    )
    size = f"{METHODS} methods x {REPLICATES} replicates x {PROMPTS} prompts"
    return [
        at_most(_figure("board", f"{size}, {DRAWS:,} draws: places", seconds["places"], "s"), 5),
        at_most(_figure("board", f"{size} x 4 samples: records to table", seconds["table"], "s"), 5),
    ]


def measure_page() -> list[Figure]:
    """Wall seconds from asking for the page on disk to the end of its load event: the median of some loads.

    Raises:
        Skipped: there is no browser.
    """
    chromium = of_tests("leaderboard/chromium.py").chromium
    import pytest

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "board" / "index.html"
        try:
            with chromium(Path(folder) / "profile") as browser:
                for record in _records(ON_PAGE, PAGE_REPLICATES):
                    write_record(page.parent / "records", record)
                write_board(page.parent)
                loads = [_loaded(browser, page) for _ in range(LOADS)]
        except pytest.skip.Exception as why:
            raise Skipped(str(why)) from None
        case = (
            f"{ON_PAGE} methods x {PAGE_REPLICATES} replicates x {PROMPTS} prompts, "
            f"{page.stat().st_size / 1000:.0f} kB, headless Chromium: until loadEventEnd"
        )
    return [at_most(_figure("page", case, median(loads), "s"), 1)]


def _records(methods: int, replicates: int) -> list[Any]:
    """Methods with true win rates from 50 to 60."""
    rates = {f"method-{n}": 50 + 10 * n / (methods - 1) for n in range(methods)}
    records: list[Any] = of_tests("leaderboard/synthetic_records.py").board(rates, replicates, PROMPTS)
    return records


def _loaded(browser: Any, page: Path) -> float:
    """Seconds that a fresh load takes."""
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get("about:blank")
    browser.get(page.as_uri())
    milliseconds: float = WebDriverWait(browser, 60).until(lambda at: at.execute_script(LOADED))
    return milliseconds / 1000


def _figure(name: str, case: str, value: float, unit: str) -> Figure:
    return Figure(name, case, value, unit, "-", None, device(), f"python -m benchmarks {name}")


BENCHMARKS = (
    Benchmark("board", "a board of AlpacaEval's size from its records", measure_board),
    Benchmark("page", "the page of a board with 30 methods in a browser", measure_page),
)
