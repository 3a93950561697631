"""Two runs on one store at the same time, as processes with workers of their own."""

import ast
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from two_runs import tasks

from harness.store.local import LocalStore

ROOT = Path(__file__).parents[2]


def start(store: Path, names: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("two_runs.py")), str(store), names],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ends(run: subprocess.Popen[str]) -> dict[str, int]:
    """How many tasks were finished, found made by the other, and failed."""
    printed, _ = run.communicate(timeout=120)
    assert run.returncode == 0
    found: dict[str, int] = ast.literal_eval(printed[: printed.index("}") + 1])
    return found


def until(true: Callable[[], bool]) -> None:
    for _ in range(12000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")


def done(store: Path) -> Counter[str]:
    """How often each task was done."""
    return Counter(line.split()[0] for line in (store / "log").read_text().splitlines())


def test_the_same_recipe_twice_shares_the_work(tmp_path: Path) -> None:
    """Nine tasks, each done once by either run, and none by both; what one does, the other finds."""
    runs = [start(tmp_path, "abcdefgh") for _ in range(2)]
    one, two = map(ends, runs)
    assert set(done(tmp_path).values()) == {1}
    assert len(done(tmp_path)) == one["finished"] + two["finished"] == 9
    assert one["failed"] == two["failed"] == 0
    assert not list((tmp_path / "claims").iterdir())


def test_two_recipes_share_what_both_need(tmp_path: Path) -> None:
    """base, a, b, c and base, c, b, d: five tasks in all."""
    runs = [start(tmp_path, "abc"), start(tmp_path, "cbd")]
    assert [end["failed"] for end in map(ends, runs)] == [0, 0]
    assert sorted(done(tmp_path)) == sorted({task.key for task in tasks("abcd")})
    assert set(done(tmp_path).values()) == {1}


def test_what_a_dead_run_was_making_is_taken_over(tmp_path: Path) -> None:
    """The first run is killed while its worker holds the claim of the base, which the second waits for."""
    base, store = tasks("")[0], LocalStore(tmp_path)
    first = start(tmp_path, "ab")
    until(lambda: store.is_claimed(base.stage, base.key))
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert ends(start(tmp_path, "ab"))["failed"] == 0
    assert set(done(tmp_path)) == {task.key for task in tasks("ab")}
    assert all(store.open(task.stage, task.key) for task in tasks("ab"))
