"""SIGKILL in the middle, with the number of paid calls counted by the server; and two processes on one
journal.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from asking import complete, texts
from chat_server import ChatServer, Say, echo, error, serving
from processes import finish, start, totals_of, two_at_once

ITEMS = [f"item {number}" for number in range(24)]


def until(true: Callable[[], bool]) -> None:
    for _ in range(12000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")


def events(folder: Path) -> list[dict[str, Any]]:
    (journal,) = folder.glob("*.jsonl")
    return [json.loads(line) for line in journal.read_text().splitlines()]


def paid_lines(folder: Path) -> int:
    return sum(event["event"] == "paid" for event in events(folder))


def kill(server: ChatServer, folder: Path, at: Callable[[], bool], dead: Event) -> None:
    """Start asking, and kill the process when `at` comes true; the server then takes in all it has sent."""
    process = start(server, folder, ITEMS)
    until(at)
    process.kill()
    process.communicate()
    dead.set()
    until(lambda: server.connected == 0)


def test_killed_with_only_unanswered_calls_under_way_nothing_is_paid_twice(tmp_path: Path) -> None:
    """The server answers 10 calls and lets 4 wait. A thread asks again only once its last answer is on disk,
    so when all 4 threads wait, all 10 answers are there: 24 items cost 24 calls. The 4 that may have been
    charged count against the budget at their worst: of 28 dollars 10 + 4 are gone, and the 14 items left just
    fit.
    """
    dead = Event()

    def hold(number: int, body: dict[str, Any]) -> Say:
        if number <= 10:
            return echo(number, body)
        dead.wait(120)
        return error(500)

    with serving(hold) as server:
        process = start(server, tmp_path, ITEMS, budget_usd=28.0)
        until(lambda: len(server.asked) == 14)
        process.kill()
        process.communicate()
        dead.set()
        until(lambda: server.connected == 0)
        assert paid_lines(tmp_path) == server.paid == 10
        server.behave = echo
        short = complete(server, tmp_path, ITEMS, budget_usd=27.0)
        assert (short.totals.from_journal, short.totals.paid_now, short.totals.failed) == (10, 13, 1)
        batch = complete(server, tmp_path, ITEMS, budget_usd=28.0)
        assert texts(batch) == ITEMS
        assert server.paid == 24
    assert batch.totals.usd == 24.0
    assert not list(tmp_path.glob("*.alive"))


def test_killed_at_any_moment_at_most_the_answers_under_way_are_paid_twice(tmp_path: Path) -> None:
    """What is paid in all is one call for each item, and one more for each answer that was given but not yet
    on disk when the process died: at most one for each of its 4 threads. From the 17th on calls wait for its
    death, which so comes before the last, however late that is.
    """
    dead = Event()

    def slow(number: int, body: dict[str, Any]) -> Say:
        time.sleep(0.01)
        if number > 16:
            dead.wait(120)
        return echo(number, body)

    with serving(slow) as server:
        kill(server, tmp_path, lambda: server.paid >= 8, dead)
        answered, kept = server.paid, paid_lines(tmp_path)
        assert kept <= answered <= kept + 4
        assert kept < 24
        assert texts(complete(server, tmp_path, ITEMS)) == ITEMS
        assert server.paid == 24 + answered - kept


def test_killed_again_and_again(tmp_path: Path) -> None:
    with serving() as server:
        for calls in (6, 12):
            kill(server, tmp_path, lambda calls=calls: server.paid >= calls, Event())  # type: ignore[misc]
        answered, kept = server.paid, paid_lines(tmp_path)
        batch = complete(server, tmp_path, ITEMS)
        assert texts(batch) == ITEMS
        assert server.paid == 24 + answered - kept
    assert batch.totals.usd == 24.0


def test_two_processes_pay_each_item_once(tmp_path: Path) -> None:
    """Both want the same 24 items in the same order, and both get them all and are charged for all. The
    first's 8 calls end only when the second has come, which then finds all it wants claimed.
    """

    def hold(number: int, body: dict[str, Any]) -> Say:
        if number <= 8:
            until(lambda: len(list(tmp_path.glob("*.alive"))) == 2)
            time.sleep(0.1)
        return echo(number, body)

    with serving(hold) as server:
        printed = two_at_once(server, tmp_path, ITEMS, ITEMS)
        assert server.paid == len(server.asked) == 24
    one, other = map(totals_of, printed)
    assert one["usd"] == other["usd"] == 24.0
    assert one["paid_now"] + other["paid_now"] == 24
    assert len(events(tmp_path)) == 48  # a claim and an answer for each


def test_a_process_takes_over_what_a_dead_one_had_claimed(tmp_path: Path) -> None:
    """The second waits for the first's 4 calls, which never end, until the first is killed."""
    dead = Event()

    def hold(number: int, body: dict[str, Any]) -> Say:
        if number <= 4:
            dead.wait(120)
            return error(500)
        return echo(number, body)

    with serving(hold) as server:
        first = start(server, tmp_path, ITEMS[:4])
        until(lambda: len(server.asked) == 4)
        second = start(server, tmp_path, ITEMS[:8], concurrency=8)
        until(lambda: server.paid == 4)
        first.kill()
        first.communicate()
        assert totals_of(finish(second))["usd"] == 8.0
        assert server.paid == 8
        dead.set()
