"""The run's view takes every event in every order that an engine may send it."""

import io

from rich.console import Console

from harness.commands.view import RunView
from harness.engines.base import Event
from harness.plan.task import Task

BASE = Task("base_model", {}, {})
USER = Task("prompts", {}, {"base_model": BASE})


def shown(*events: Event, terminal: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=terminal)
    users = {BASE.key: ("a/0", "b/0", "c/0"), USER.key: ("a/0",)}
    with RunView(console, users, {BASE.key: 30.0, USER.key: 10.0}, jobs=2) as view:
        for event in events:
            view(event)
    return file.getvalue()


def test_one_line_for_each_task_off_a_terminal() -> None:
    lines = shown(
        Event("started", BASE), Event("progress", BASE, 1, 2), Event("finished", BASE),
        Event("started", USER), Event("failed", USER, reason="no [room]"),
    ).splitlines()  # fmt: skip
    assert lines[0].startswith("   1/2 base_model 3 rows: done (")
    assert lines[1].startswith("   2/2 prompts a/0: failed: no [room] (")
    assert len(lines) == 2


def test_a_task_made_again_counts_once_more() -> None:
    text = shown(
        Event("started", USER), Event("redo", USER, reason="changed", made_again=True),
        Event("started", BASE), Event("finished", BASE), Event("started", USER), Event("finished", USER),
    )  # fmt: skip
    assert "waits for a changed input: changed" in text
    assert "   2/3 prompts a/0: done" in text


def test_a_terminal_shows_progress_and_the_time_left() -> None:
    text = shown(Event("started", BASE), Event("progress", BASE, 1, 2), terminal=True)
    assert "base_model 3 rows" in text
    assert "0/2 tasks, about 20 s left" in text


def test_the_time_left_is_shared_by_all_that_work_at_once() -> None:
    """On a cluster, three at a time where two workers are counted: of 40 s, a third."""
    three = [Task("prompts", {"n": number}, {}) for number in range(3)]
    text = shown(*(Event("started", task) for task in three), terminal=True)
    assert "0/2 tasks, about 13 s left" in text


def test_a_shard_says_which_it_is() -> None:
    shard = Task("prompts", {"shard": [1, 3]}, {})
    text = shown(Event("started", shard), Event("finished", shard))
    assert "   1/2 prompts , shard 2 of 3: done" in text


def test_what_another_run_made_is_a_line_of_its_own() -> None:
    assert "   1/2 prompts a/0: done by another run" in shown(Event("started", USER), Event("found", USER))


def test_what_an_error_quotes_moves_no_cursor() -> None:
    """An escape sequence, its one-byte form, a bell and a right-to-left override."""
    text = shown(Event("started", USER), Event("failed", USER, reason="got '\x1b[2J\x9b2J\x07\u202e'"))
    assert r"failed: got '\x1b[2J\x9b2J\x07\u202e'" in text
