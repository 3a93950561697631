"""How long the commands take that a user waits for: wall seconds of the real command line."""

import atexit
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

import psutil

from benchmarks.figure import Benchmark, Figure

ROOT = Path(__file__).parent.parent
HARNESS = Path(sys.executable).with_name("harness")
GIB = 2**30
SMOKE = "recipes/smoke.toml"
DEFAULT = "recipes/bpo.toml"


def device() -> str:
    """The machine, as far as it matters here."""
    return f"{platform.machine()}, {os.cpu_count()} cores"


def project() -> Path:
    """A new folder with the recipes alone, so that no stored result helps; gone with this process."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    return folder


@cache
def first_run(recipe: str) -> tuple[Path, float, int]:
    """A recipe run from an empty store, once in this process.

    Returns:
        Where; wall seconds; the peak memory of all its processes together, in bytes.
    """
    folder, peak = project(), _Peak()
    seconds = timed(folder, "run", recipe)
    peak.stop()
    return folder, seconds, peak.bytes


def timed(folder: Path, *words: str) -> float:
    """Wall seconds of a harness command, run in a folder.

    Raises:
        RuntimeError: if it fails; the text holds its last lines.
    """
    started = time.perf_counter()
    done = subprocess.run([HARNESS, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"harness {' '.join(words)} failed:\n{done.stdout.decode()[-2000:]}")
    return seconds


class _Peak(threading.Thread):
    """Samples the memory of this process's children; proportional shares where the system tells them."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self.bytes = 0
        self.start()

    def run(self) -> None:
        while not self._over.wait(1.0):  # a look takes a twentieth of that from what is measured
            try:
                family = psutil.Process().children(recursive=True)
                self.bytes = max(self.bytes, sum(_memory(process) for process in family))
            except psutil.Error:
                continue

    def stop(self) -> None:
        self._over.set()
        self.join()


def _memory(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.uss))
    except psutil.Error:
        return 0


def _figure(name: str, case: str, value: float, unit: str, bound: float, words: str) -> Figure:
    return Figure(
        name, case, value, unit, f"<= {bound:g} {unit}", value <= bound, device(), f"harness {words}"
    )


def measure_smoke() -> list[Figure]:
    """`recipes/smoke.toml` from an empty store."""
    _, seconds, _ = first_run(SMOKE)
    return [_figure("smoke", "empty store", seconds, "s", 90, f"run {SMOKE}")]


def measure_first_run() -> list[Figure]:
    """`recipes/bpo.toml` from an empty store: time and peak memory."""
    _, seconds, peak = first_run(DEFAULT)
    words = f"run {DEFAULT}"
    return [
        _figure("first-run", "empty store, time", seconds / 60, "min", 8, words),
        _figure("first-run", "empty store, peak memory", peak / GIB, "GiB", 4, words),
    ]


def measure_second_run() -> list[Figure]:
    """The same command again, everything stored."""
    figures = []
    for recipe in (SMOKE, DEFAULT):
        folder, _, _ = first_run(recipe)
        again = timed(folder, "run", recipe)
        figures.append(_figure("second-run", Path(recipe).name, again, "s", 3, f"run {recipe}"))
    return figures


def measure_help() -> list[Figure]:
    """`harness --help` and `harness check`: the best of five, since the first one warms the disk."""
    folder, figures = project(), []
    for words in ("--help", f"check {DEFAULT}"):
        best = min(timed(folder, *words.split()) for _ in range(5))
        figures.append(_figure("help", words, best, "s", 0.5, words))
    return figures


BENCHMARKS = (
    Benchmark("help", "commands that must answer at once", measure_help),
    Benchmark("smoke", "the smoke recipe from an empty store", measure_smoke),
    Benchmark("first-run", "the default recipe from an empty store: time and memory", measure_first_run),
    Benchmark("second-run", "the same command again, everything stored", measure_second_run),
)
