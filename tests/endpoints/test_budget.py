"""The budget is never exceeded. Here an answer's one token costs a dollar, and a prompt nothing."""

from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from asking import QUICK, ask, complete, endpoint, failures, texts
from chat_server import Say, error, good, serving
from processes import totals_of, two_at_once

from harness.endpoints.caller import Caller
from harness.endpoints.endpoint import Endpoint
from harness.endpoints.prices import Price
from harness.endpoints.request import Request
from harness.errors import BadInput

ITEMS = [f"item {number}" for number in range(16)]


def test_it_stops_before_the_call_that_would_break_it(tmp_path: Path) -> None:
    """10 calls of a dollar fit into 10.5, whatever the concurrency; 6 items remain, for a larger budget."""
    with serving() as server:
        batch = complete(server, tmp_path, ITEMS, budget_usd=10.5, concurrency=8)
        assert server.paid == len(server.asked) == 10
        assert (
            failures(batch)
            == [
                "The budget of $10.5 for judge-2026-01-01 does not allow it: $10.0000 is spent, "
                "and the next call can cost $1.0000."
            ]
            * 6
        )
        assert (batch.totals.usd, batch.totals.failed) == (10.0, 6)
        again = complete(server, tmp_path, ITEMS, budget_usd=10.5, concurrency=8)
        assert server.paid == 10
        assert again.totals.from_journal == 10
        assert texts(complete(server, tmp_path, ITEMS, budget_usd=16.0)) == ITEMS
        assert server.paid == 16


def test_a_call_must_fit_at_its_worst_and_is_settled_at_its_real_cost(tmp_path: Path) -> None:
    """A call may have 4 tokens and has 1. It fits into 10 dollars as long as at most 6 are spent: 7 calls do.

    Of 8 threads at most 2 call at a time (2 x 4 + 2 <= 10), and the others wait for what those leave.
    """
    requests = [Request(ask(item).messages, "plain-1", {"max_completion_tokens": 4}) for item in ITEMS]
    with serving() as server:
        caller = Caller(endpoint(server.url, budget_usd=10.0, concurrency=8), tmp_path, QUICK)
        batch = caller.complete(requests)
        assert server.paid == 7
        assert server.busiest <= 2
    assert batch.totals.usd == 7.0


def test_answers_that_are_lost_count(tmp_path: Path) -> None:
    """Nothing usable comes, and the server may charge for it: 5 calls, retries among them, fit into 5
    dollars.
    """
    with serving(lambda number, body: Say(body="<html>", paid=True)) as server:
        batch = complete(server, tmp_path, ITEMS, budget_usd=5.0, concurrency=8)
        assert server.paid == 5
    assert (batch.totals.usd, batch.totals.lost_usd) == (0.0, 5.0)


def test_what_a_server_refuses_costs_nothing(tmp_path: Path) -> None:
    with serving(lambda number, body: error(500) if number <= 8 else good()) as server:
        batch = complete(server, tmp_path, ITEMS[:5], budget_usd=5.0, attempts=20)
        assert server.paid == 5
    assert batch.totals.usd == 5.0


def test_processes_share_it(tmp_path: Path) -> None:
    """Two processes with questions of their own and 8 threads each, and 10 dollars for both. No call ends
    before 10 have come, so both processes spend at the same time.
    """
    together = Barrier(10)

    def all_at_once(number: int, body: dict[str, Any]) -> Say:
        together.wait(120)
        return good()

    others = [f"other {item}" for item in ITEMS]
    with serving(all_at_once) as server:
        one, other = map(totals_of, two_at_once(server, tmp_path, ITEMS, others, budget_usd=10.0))
        assert server.paid == len(server.asked) == 10
    assert one["usd"] + other["usd"] == 10.0
    assert one["failed"] + other["failed"] == 22


def test_it_needs_a_price() -> None:
    with pytest.raises(
        BadInput, match=r"^endpoint budget_usd: needs a price, and the table has none for x at "
    ):
        Endpoint(base_url="http://127.0.0.1:1/v1", model="x", budget_usd=1.0)


def test_it_needs_a_bound_on_the_answer(tmp_path: Path) -> None:
    unbounded = Request([{"role": "user", "content": "a"}], "plain-1")
    with serving() as server:
        with pytest.raises(BadInput, match="budget_usd needs max_tokens or max_completion_tokens"):
            Caller(endpoint(server.url, budget_usd=1.0), tmp_path).complete([ask("b"), unbounded])
        assert server.asked == []


def test_a_prompt_is_estimated_from_above(tmp_path: Path) -> None:
    """At a million dollars for a million prompt tokens a prompt that really has 10 tokens is taken for more:
    the JSON that is sent has over 100 bytes, and no token is shorter than a byte.
    """
    with serving() as server:
        settings = {"price": Price(1e6, 0.0)}
        assert failures(complete(server, tmp_path, ["a"], budget_usd=100.0, **settings))
        assert server.asked == []
        assert complete(server, tmp_path, ["a"], budget_usd=200.0, **settings).totals.usd == 10.0
