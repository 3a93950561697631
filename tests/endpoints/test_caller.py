"""A batch against a real server: what is answered, retried, failed, stopped and paid."""

import json
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from asking import QUICK, ask, complete, endpoint, failures, texts
from chat_server import Behaviour, ChatServer, Say, echo, error, good, nobody, question, serving

from harness.endpoints.caller import Caller
from harness.endpoints.endpoint import Endpoint
from harness.endpoints.pace import Backoff
from harness.endpoints.reading import Completion, TokenLogprob
from harness.endpoints.request import Request
from harness.errors import BadInput

ITEMS = [f"item {number}" for number in range(12)]


def only(item: str, say: Callable[[], Say]) -> Behaviour:
    """Misbehave for one item, always."""
    return lambda number, body: say() if question(body) == item else echo(number, body)


def first(calls: int, say: Callable[[], Say]) -> Behaviour:
    """Misbehave for the first calls."""
    return lambda number, body: say() if number <= calls else echo(number, body)


def test_answers_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    """12 items at one dollar for the one token of each answer; the prompt is free and has 10 tokens."""

    def later_first(number: int, body: dict[str, Any]) -> Say:
        time.sleep(0.02 if number % 2 else 0.0)
        return echo(number, body)

    seen: list[tuple[int, int]] = []
    with serving(later_first) as server:
        caller = Caller(endpoint(server.url), tmp_path, QUICK)
        batch = caller.complete([ask(item) for item in ITEMS], progress=lambda *step: seen.append(step))
        assert texts(batch) == ITEMS
        assert server.busiest <= 4
        assert server.paid == 12
    totals = batch.totals
    assert (totals.calls, totals.paid_now, totals.sent, totals.failed, totals.from_journal) == (
        12,
        12,
        12,
        0,
        0,
    )
    assert (totals.prompt_tokens, totals.completion_tokens, totals.usd, totals.usd_now) == (
        120,
        12,
        12.0,
        12.0,
    )
    assert totals.lost_usd == 0.0
    assert seen == [(number, 12) for number in range(13)]


def test_what_is_journaled_is_served_and_still_charged(tmp_path: Path) -> None:
    with serving() as server:
        before = complete(server, tmp_path, ITEMS[:5])
        batch = complete(server, tmp_path, ITEMS)
        assert server.paid == 12
        assert texts(batch) == ITEMS
        again = complete(server, tmp_path, ITEMS)
        assert server.paid == 12
    assert (before.totals.usd, batch.totals.usd, batch.totals.usd_now) == (5.0, 12.0, 7.0)
    assert (batch.totals.from_journal, batch.totals.paid_now) == (5, 7)
    assert (again.totals.usd, again.totals.usd_now, again.totals.sent) == (12.0, 0.0, 0)
    assert again.answers == batch.answers


def test_a_whole_journal_needs_no_server_and_no_key(tmp_path: Path) -> None:
    with serving() as server:
        kept = complete(server, tmp_path, ITEMS)
        gone = endpoint(server.url, key_env="HARNESS_TEST_UNSET_KEY")
    again = Caller(gone, tmp_path, QUICK).complete([ask(item) for item in ITEMS])
    assert again.answers == kept.answers


def test_equal_requests_are_asked_once_and_draws_apart(tmp_path: Path) -> None:
    with serving(lambda number, body: good(f"answer {number}")) as server:
        same, other = ask("a"), Request(ask("a").messages, "plain-1", {"max_tokens": 1}, draw=1)
        batch = Caller(endpoint(server.url, concurrency=1), tmp_path, QUICK).complete([same, other, same])
        assert texts(batch) == ["answer 1", "answer 2", "answer 1"]
    assert (batch.totals.calls, batch.totals.usd) == (2, 2.0)


def test_no_requests(tmp_path: Path) -> None:
    with serving() as server:
        batch = complete(server, tmp_path, [])
    assert batch.answers == ()
    assert batch.totals.usd == 0.0


def html() -> Say:
    return Say(body="<html><body>Bad gateway</body></html>", paid=True)


def no_choices() -> Say:
    answer = json.loads(good().body)
    return Say(body=json.dumps(answer | {"choices": []}), paid=True)


def no_usage() -> Say:
    answer = json.loads(good().body)
    del answer["usage"]
    return Say(body=json.dumps(answer), paid=True)


def null_content() -> Say:
    return good(message={"role": "assistant", "content": None})


def error_with_200() -> Say:
    return Say(body=json.dumps({"error": {"message": "overloaded"}}), paid=True)


def cut_off() -> Say:
    """JSON that ends early, in a body of the length announced."""
    return Say(body=good().body[:60], paid=True)


def broken_off() -> Say:
    """A connection that ends before all that was announced has come."""
    whole = good().body
    return Say(body=whole[:60], announce=len(whole), paid=True)


def deep() -> Say:
    return Say(body="[" * 100_000, paid=True)


TRANSIENT = {
    "429": (lambda: error(429, "slow down"), "answered 429: slow down"),
    "429 with a time": (lambda: error(429, "slow down", Retry_After="0.01"), "answered 429"),
    "500": (lambda: error(500, "oops"), "answered 500: oops"),
    "503 without a body": (lambda: Say(503), r"answered 503: \(nothing\)"),
    "html": (html, "answered with no JSON: <html><body>Bad gateway</body></html>"),
    "no object": (lambda: Say(body="[1]", paid=True), "answered with no JSON object"),
    "error with 200": (error_with_200, "answered with an error: overloaded"),
    "no choices": (no_choices, "answered without choices"),
    "null content": (null_content, "answered without content"),
    "no usage": (no_usage, "answered without usage"),
    "cut off": (cut_off, "answered with no JSON"),
    "broken off": (broken_off, "broke off its answer"),
    "deep": (deep, "answered with no JSON"),
}
FAULTS = pytest.mark.parametrize(("say", "why"), TRANSIENT.values(), ids=TRANSIENT)


@FAULTS
def test_a_passing_fault_costs_retries_only(say: Callable[[], Say], why: str, tmp_path: Path) -> None:
    """The first 3 of 15 calls misbehave."""
    with serving(first(3, say)) as server:
        batch = complete(server, tmp_path, ITEMS)
        assert texts(batch) == ITEMS
        assert len(server.asked) == batch.totals.sent == 15
    assert batch.totals.usd == 12.0
    assert batch.totals.lost_usd == (3.0 if say().paid else 0.0)


@FAULTS
def test_a_lasting_fault_fails_its_item_and_no_other(
    say: Callable[[], Say], why: str, tmp_path: Path
) -> None:
    """11 good items of one call each, and one of 4 attempts; it is asked again next time, and only it."""
    with serving(only("item 7", say)) as server:
        batch = complete(server, tmp_path, ITEMS)
        assert texts(batch) == [None if item == "item 7" else item for item in ITEMS]
        assert len(server.asked) == 15
        (sentence,) = failures(batch)
        assert re.search(f"^judge-2026-01-01 at {server.url} {why}.*, at attempt 4\\.$", sentence), sentence
        server.behave = echo
        assert texts(complete(server, tmp_path, ITEMS)) == ITEMS
        assert len(server.asked) == 16
    assert (batch.totals.calls, batch.totals.failed, batch.totals.usd) == (11, 1, 11.0)
    assert batch.totals.lost_usd == (4.0 if say().paid else 0.0)


def test_a_hanging_item_times_out(tmp_path: Path) -> None:
    """One item hangs, at 2 attempts of 1 s each; the others are answered meanwhile. One of them that a busy
    machine holds up is asked again, and lost once, too.
    """
    end = Event()

    def hang() -> Say:
        end.wait(10)
        return Say(500)

    with serving(only("item 7", hang)) as server:
        batch = complete(server, tmp_path, ITEMS, timeout_s=1.0, attempts=2)
        assert texts(batch) == [None if item == "item 7" else item for item in ITEMS]
        end.set()
    assert failures(batch) == [f"judge-2026-01-01 at {server.url} gave no whole answer in 1 s, at attempt 2."]
    assert batch.totals.lost_usd == batch.totals.sent - 11 >= 2.0


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_item_is_not_retried(status: int, tmp_path: Path) -> None:
    with serving(only("item 7", lambda: error(status, "content filter"))) as server:
        batch = complete(server, tmp_path, ITEMS)
        assert len(server.asked) == 12
    assert failures(batch) == [f"judge-2026-01-01 at {server.url} answered {status}: content filter."]
    assert batch.totals.usd == 11.0


def test_a_filtered_answer_is_not_paid_again(tmp_path: Path) -> None:
    say = good(message={"role": "assistant", "content": None}, finish_reason="content_filter")
    with serving(only("item 7", lambda: say)) as server:
        batch = complete(server, tmp_path, ITEMS)
        assert len(server.asked) == 12
    assert "content filter" in failures(batch)[0]
    assert batch.totals.lost_usd == 1.0


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "Check the key in HARNESS_TEST_KEY."),
        (403, "Check the key in HARNESS_TEST_KEY."),
        (404, "Check base_url and model."),
        (402, "Add money to the account, or raise its limit."),
        (301, "Check base_url and model."),
    ],
)
def test_what_no_item_survives_stops_the_batch(
    status: int, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 12 items at most the 4 under way are asked, once; what was paid before is kept."""
    monkeypatch.setenv("HARNESS_TEST_KEY", "secret")
    with serving() as server:
        complete(server, tmp_path, ITEMS[:5])
        server.behave = lambda number, body: error(status, "go away")
        with pytest.raises(BadInput) as caught:
            complete(server, tmp_path, ITEMS, key_env="HARNESS_TEST_KEY")
        assert str(caught.value) == f"judge-2026-01-01 at {server.url} answered {status}: go away. {remedy}"
        assert len(server.asked) <= 5 + 4
        server.behave = echo
        assert complete(server, tmp_path, ITEMS).totals.from_journal == 5


def test_an_empty_account_stops_the_batch(tmp_path: Path) -> None:
    with serving(lambda number, body: error(429, "You exceeded", "insufficient_quota")) as server:
        with pytest.raises(BadInput, match="Add money to the account"):
            complete(server, tmp_path, ITEMS)
        assert len(server.asked) <= 4


def test_endless_rate_limits_end(tmp_path: Path) -> None:
    """4 items of 4 attempts each: 16 calls, where alpaca_eval makes 120."""
    with serving(lambda number, body: error(429)) as server:
        batch = complete(server, tmp_path, ITEMS[:4])
        assert len(server.asked) == 16
        assert len(failures(batch)) == 4
        server.behave = echo
        assert texts(complete(server, tmp_path, ITEMS[:4])) == ITEMS[:4]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_holds_every_call(form: str, tmp_path: Path) -> None:
    """After the 429 no call starts before the time is over. A date has whole seconds: 0.3 s are left of 1.3
    s.
    """
    said: list[float] = []

    def limited(number: int, body: dict[str, Any]) -> Say:
        if number > 1:
            return echo(number, body)
        said.append(time.monotonic())
        return error(
            429, Retry_After="0.3" if form == "seconds" else formatdate(time.time() + 1.3, usegmt=True)
        )

    with serving(limited) as server:
        batch = complete(server, tmp_path, ITEMS[:6], concurrency=1)
        assert texts(batch) == ITEMS[:6]
        assert server.times[1] - said[0] >= 0.25


def test_a_server_that_asks_for_too_much_time_stops_the_batch(tmp_path: Path) -> None:
    slow = error(429, "later", Retry_After="5400")
    with (
        serving(lambda number, body: slow) as server,
        pytest.raises(BadInput, match="It asks to be left alone for 5400 s: run again then"),
    ):
        complete(server, tmp_path, ITEMS)


def test_nothing_listens_at_the_address(tmp_path: Path) -> None:
    with nobody() as url, pytest.raises(BadInput) as caught:
        Caller(endpoint(url), tmp_path, QUICK).complete([ask(item) for item in ITEMS])
    assert str(caught.value) == (
        f"judge-2026-01-01 at {url} cannot be reached ([Errno 111] Connection refused), at attempt 3. "
        "Check base_url, and that the server runs."
    )


def test_a_wrong_path_in_the_address(tmp_path: Path) -> None:
    with serving() as server:
        wrong = endpoint(server.url.replace("/v1", "/v2"))
        with pytest.raises(BadInput, match=r"answered 404: no such page\. Check base_url and model\."):
            Caller(wrong, tmp_path, QUICK).complete([ask("a")])


def test_a_server_that_comes_back_is_waited_for(tmp_path: Path) -> None:
    """It answers two items, each on a connection of its own, and goes at the third, which breaks off, is
    refused twice, and is then answered by the one that was started anew.
    """
    with ExitStack() as first, ExitStack() as second:

        def gone_at_the_third(number: int, body: dict[str, Any]) -> Say:
            if number == 3:
                first.close()
                raise ConnectionError
            say = echo(number, body)
            say.announce = len(say.body)
            return say

        class Restarting(Backoff):
            def wait_s(self, failed: int) -> float:
                if failed == 3:
                    second.enter_context(ChatServer(echo, server.port).running())
                return 0.0

        server = first.enter_context(serving(gone_at_the_third))
        caller = Caller(endpoint(server.url, concurrency=1), tmp_path, Restarting())
        batch = caller.complete([ask(item) for item in ITEMS])
    assert texts(batch) == ITEMS
    assert batch.totals.sent == 12 + 3


def test_an_answer_that_trickles_times_out(tmp_path: Path) -> None:
    """A byte each 0.05 s keeps every read alive for longer than the call may take."""
    slow = Say(body=good().body, paid=True, pause_s=0.05)
    with serving(lambda number, body: slow) as server:
        batch = complete(server, tmp_path, ["a"], timeout_s=0.3, attempts=1)
    assert failures(batch) == [f"judge-2026-01-01 at {server.url} gave no whole answer in 0.3 s."]


def test_template_marks_in_a_text_are_only_text(tmp_path: Path) -> None:
    texts_sent = ["{output_1} {instruction}", "{{ bos }} %s {0}", "<|im_start|>system", "naïve 日本 \ud800"]
    with serving(lambda number, body: good("ok")) as server:
        complete(server, tmp_path, texts_sent, concurrency=1)
        assert server.questions == texts_sent


def test_logprobs_come_through(tmp_path: Path) -> None:
    """Also from the journal, bit for bit."""
    top = [{"token": "m", "logprob": -0.25}, {"token": "M", "logprob": -1.5}]
    content = [{"token": "m", "logprob": -0.25, "bytes": None, "top_logprobs": top}]
    asked = ask("a", logprobs=True, top_logprobs=5)
    with serving(lambda number, body: good("m", logprobs={"content": content})) as server:
        caller = Caller(endpoint(server.url), tmp_path, QUICK)
        for _ in range(2):
            (answer,) = caller.complete([asked]).answers
            assert isinstance(answer, Completion)
            assert answer.logprobs == (TokenLogprob("m", -0.25, (("m", -0.25), ("M", -1.5))),)
        assert server.asked[0]["top_logprobs"] == 5
        assert len(server.asked) == 1


def test_a_model_without_logprobs_stops_at_the_first_answer(tmp_path: Path) -> None:
    with serving() as server:
        caller = Caller(endpoint(server.url, concurrency=1), tmp_path, QUICK)
        with pytest.raises(BadInput, match="gave no log-probabilities"):
            caller.complete([ask(item, logprobs=True) for item in ITEMS])
        assert server.paid == 1


def test_an_unknown_price_is_no_zero(tmp_path: Path) -> None:
    """Where the price is stated later, the journaled tokens are charged at it."""
    with serving() as server:
        free = Endpoint(base_url=server.url, model="judge-2026-01-01")
        assert Caller(free, tmp_path, QUICK).complete([ask("a")]).totals.usd is None
        assert complete(server, tmp_path, ["a"]).totals.usd == 1.0
        assert server.paid == 1


def test_the_rate_is_kept(tmp_path: Path) -> None:
    """600 a minute is one each 0.1 s, whatever the concurrency: the fourth starts after 0.3 s."""
    with serving() as server:
        began = time.monotonic()
        complete(server, tmp_path, ITEMS[:4], requests_per_minute=600)
        assert server.times[-1] - began >= 0.3


def test_an_interrupt_keeps_what_was_paid(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with serving() as server:
        caller = Caller(endpoint(server.url), tmp_path, QUICK)
        requests = [ask(item) for item in ITEMS]
        with pytest.raises(KeyboardInterrupt):
            caller.complete(requests, interrupt)
        before = server.paid
        batch = caller.complete(requests)
        assert batch.totals.from_journal == before
        assert server.paid == 12
