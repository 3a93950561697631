"""Runs that are stopped, and runs beside each other."""

import os
import re
import signal
from pathlib import Path

import pytest
from smoke_project import (
    counts,
    harness,
    measured,
    results,
    second_replicate,
    start,
    stored,
    until_done,
)

pytestmark = pytest.mark.slow


def test_a_broken_run_goes_on_to_the_same_board(half: Path, finished: Path) -> None:
    """Stopped in three ways, each after six more tasks: nothing is done twice, the board is a whole run's."""
    before = stored(half)
    for sign, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)):
        with start(half, "recipes/smoke.toml") as run:
            until_done(run, 6)
            os.kill(run.pid, sign)
            _, errors = run.communicate()
        assert run.returncode == code
        assert ("the same command goes on" in errors) == (sign != signal.SIGKILL)
        after = stored(half)
        assert {name: after[name] for name in before} == before
        assert len(after) >= len(before) + 6
        before = after
    assert harness(half, "run", "recipes/smoke.toml").returncode == 0
    after = stored(half)
    assert {name: after[name] for name in before} == before
    assert results(half) == results(finished)
    assert counts(half) == counts(finished)


def test_runs_on_one_store_share_their_work(half: Path, finished: Path) -> None:
    """Two of the same recipe and one of another with a part of its methods, all at once: each task is done by
    one of them, and both boards are right. That the recipe is changed meanwhile is nothing to them.
    """
    recipe, part = half / "recipes" / "smoke.toml", half / "recipes" / "part.toml"
    part.write_text(recipe.read_text().partition("[methods.balanced]")[0])
    before, lacking = stored(half), second_replicate(half)
    runs = [start(half, f"recipes/{name}.toml") for name in ("smoke", "smoke", "part")]
    for run in runs:
        until_done(run, 1)
    recipe.write_text(recipe.read_text().replace("steps = 4", "steps = 5").replace("baseline", "base line"))
    ends = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], ends
    done = [re.search(r"(\d+) tasks done, (\d+) found", output) for output, _ in ends]
    assert sum(int(found[1]) for found in done if found) == len(lacking)
    after = stored(half)
    assert {name: after[name] for name in before} == before
    assert {name.removeprefix(".harness/") for name in set(after) - set(before)} == lacking
    assert not list((half / ".harness" / "claims").iterdir())
    assert results(half) == results(finished)
    whole, parts = (measured(project, name) for project, name in ((finished, "smoke"), (half, "part")))
    assert set(parts) == {f"{method}.{n}.json" for method in ("sft", "dpo-random") for n in (0, 1)}
    assert parts == {name: whole[name] for name in parts}
