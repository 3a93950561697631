"""What is sent, under which key, at what price; what an endpoint may not be; and the waits."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.endpoints.endpoint import Endpoint
from harness.endpoints.pace import Backoff, Pace
from harness.endpoints.prices import Price, listed_price, table_date
from harness.endpoints.reading import Fault, Reply, completion, read_reply
from harness.endpoints.request import Request, request_body, request_key, worst_usd
from harness.errors import BadInput

MESSAGES = ({"role": "user", "content": "a"},)
REQUEST = Request(MESSAGES, "plain-1", {"temperature": 0.0, "max_tokens": 1})


def endpoint(**settings: Any) -> Endpoint:
    return Endpoint(**({"base_url": "https://api.openai.com/v1", "model": "gpt-4-1106-preview"} | settings))


def test_what_is_sent() -> None:
    assert request_body(endpoint(), REQUEST) == {
        "model": "gpt-4-1106-preview",
        "messages": [{"role": "user", "content": "a"}],
        "temperature": 0.0,
        "max_tokens": 1,
    }


def test_the_key_holds_all_that_can_change_the_answer() -> None:
    different = [
        request_key(endpoint(), REQUEST),
        request_key(endpoint(model="other"), REQUEST),
        request_key(endpoint(), Request(MESSAGES, "plain-2", REQUEST.params)),
        request_key(endpoint(), Request(MESSAGES, "plain-1", {"temperature": 0.0, "max_tokens": 2})),
        request_key(endpoint(), Request(MESSAGES * 2, "plain-1", REQUEST.params)),
        request_key(endpoint(), Request(MESSAGES, "plain-1", REQUEST.params, draw=1)),
    ]
    assert len(set(different)) == len(different)


def test_the_key_holds_nothing_else() -> None:
    """Not where the server is, how it is asked, what it costs, nor in which order the parameters stand."""
    other = endpoint(
        base_url="http://127.0.0.1:8000/v1", key_env="K", concurrency=1, timeout_s=1, price=Price(0, 0)
    )
    turned = Request(MESSAGES, "plain-1", {"max_tokens": 1, "temperature": 0.0})
    assert request_key(other, turned) == request_key(endpoint(), REQUEST)


@pytest.mark.parametrize("name", ["model", "messages", "stream", "n"])
def test_what_the_call_layer_sets_cannot_be_set(name: str) -> None:
    with pytest.raises(BadInput, match=f"request params: {name} cannot be set here"):
        request_body(endpoint(), Request(MESSAGES, "plain-1", {name: 2}))


def test_prices_of_the_table() -> None:
    """AlpacaEval 2's judge: 10 dollars for a million prompt tokens, 30 for a million of answers.

    1,000 and 100 tokens cost 10 * 0.001 + 30 * 0.0001 = 0.013 dollars.
    """
    price = endpoint().price_now
    assert price == Price(10.0, 30.0)
    assert price.usd(1000, 100) == pytest.approx(0.013)
    assert endpoint(price=Price(1.0, 2.0)).price_now == Price(1.0, 2.0)
    assert listed_price("http://127.0.0.1:8000/v1", "gpt-4-1106-preview") is None
    assert listed_price("https://api.openai.com/v1", "gpt-4") is None
    assert date.fromisoformat(table_date()) <= date.today()


def test_the_worst_case() -> None:
    """{"model": "m", "messages": [{"role": "user", "content": "a"}], "max_tokens": 5} has 79 bytes, and a
    template may add 64 tokens: (79 + 64) * 1 + 5 * 10 = 193 dollars at a million times that price. Of both
    bounds on the answer the newer name holds.
    """
    dear = endpoint(model="m", price=Price(1e6, 1e7))
    body = request_body(dear, Request(MESSAGES, "plain-1", {"max_tokens": 5}))
    assert worst_usd(dear, body) == pytest.approx(193.0)
    free = endpoint(model="m", price=Price(0.0, 1e6))
    assert worst_usd(free, body | {"max_completion_tokens": 7}) == pytest.approx(7.0)
    assert worst_usd(endpoint(model="m"), body) is None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"base_url": "api.openai.com"},
            "endpoint base_url: must begin with http:// or https:// and a host.",
        ),
        ({"base_url": "http://host:99999/v1"}, "endpoint base_url: is no address."),
        ({"model": " "}, "endpoint model: must name a model."),
        ({"concurrency": 0}, "endpoint concurrency: must be more than 0. Got 0."),
        ({"attempts": 0}, "endpoint attempts: must be more than 0. Got 0."),
        ({"timeout_s": float("nan")}, "endpoint timeout_s: must be more than 0. Got nan."),
        ({"requests_per_minute": 0}, "endpoint requests_per_minute: must be more than 0. Got 0."),
        ({"price": Price(-1.0, 1.0)}, "endpoint price: must be at least 0. Got -1.0 and 1.0."),
    ],
)
def test_what_an_endpoint_may_not_be(wrong: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        endpoint(**wrong)
    (problem,) = caught.value.problems
    assert problem.startswith(sentence)


def test_every_problem_is_named() -> None:
    with pytest.raises(BadInput) as caught:
        endpoint(concurrency=0, attempts=0)
    assert len(caught.value.problems) == 2


def test_usage_that_is_no_count_is_refused() -> None:
    text = (
        '{"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": %s, "completion_tokens": 1}}'
    )
    for wrong in ("-1", '"3"', "null", "1.5", "true"):
        fault = read_reply(Reply(200, {}, text % wrong), endpoint(), logprobs=False)
        assert isinstance(fault, Fault)
        assert "without usage" in fault.why
    fine = read_reply(Reply(200, {}, text % "3"), endpoint(), logprobs=False)
    assert not isinstance(fine, Fault)
    assert completion(fine, None).prompt_tokens == 3


# An answer of any form at all, with each known part there or not, right or not.
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", "a", "content_filter"]),
    lambda part: (
        st.lists(part, max_size=2) | st.dictionaries(st.sampled_from(["token", "x"]), part, max_size=2)
    ),
    max_leaves=3,
)


def maybe(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object that may lack some of its parts, or something else."""
    return st.fixed_dictionaries({}, optional={name: part | JSON for name, part in parts.items()}) | JSON


TOKEN = maybe(token=st.just("a"), logprob=st.floats(-9, 0), top_logprobs=st.lists(JSON, max_size=1))
CHOICE = maybe(
    message=maybe(content=st.just("a"), refusal=st.just("no")),
    logprobs=maybe(content=st.lists(TOKEN, max_size=1)),
    finish_reason=st.just("stop"),
)
ANSWER = maybe(
    choices=st.lists(CHOICE, max_size=1),
    usage=st.just({"prompt_tokens": 1, "completion_tokens": 1}),
    error=maybe(message=st.just("overloaded")),
)


@given(ANSWER, st.booleans())
def test_any_answer_is_read_or_faulted(answer: Any, logprobs: bool) -> None:
    """No JSON raises, and what passes is a completion that is the same after the journal."""
    read = read_reply(Reply(200, {}, json.dumps(answer)), endpoint(), logprobs)
    if isinstance(read, Fault):
        assert read.paid
    else:
        assert completion(read, 1.0) == completion(json.loads(json.dumps(read)), 1.0)
        assert isinstance(completion(read, 1.0).text, str)


def test_an_empty_answer_is_an_answer() -> None:
    """Also one with logprobs asked for: there is no token that could have any."""
    text = (
        '{"choices": [{"message": {"content": ""}}], "usage": {"prompt_tokens": 1, "completion_tokens": 0}}'
    )
    answer = read_reply(Reply(200, {}, text), endpoint(), logprobs=True)
    assert not isinstance(answer, Fault)
    assert completion(answer, None).text == ""


def test_turns_are_a_gap_apart_and_a_hold_moves_them() -> None:
    """60 a minute: at second 0 the turns are 0, 1 and 2 seconds away. A hold of 10 moves the next to 10."""
    pace = Pace(60, clock=lambda: 100.0)
    assert [pace.turn() for _ in range(3)] == [0.0, 1.0, 2.0]
    pace.hold(10.0)
    assert [pace.turn() for _ in range(2)] == [10.0, 11.0]


def test_turns_that_passed_are_not_made_up_for() -> None:
    now = iter([0.0, 0.0, 50.0, 50.0])
    pace = Pace(60, clock=lambda: next(now))
    assert [pace.turn() for _ in range(3)] == [0.0, 0.0, 1.0]


def test_waits_double_up_to_the_longest() -> None:
    """After 1, 2, 3 ... failed attempts: half to all of 1, 2, 4, 5, 5, ... seconds."""
    backoff = Backoff(first_s=1.0, longest_s=5.0)
    for failed, most in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (5, 5.0), (5000, 5.0)):
        assert most / 2 <= backoff.wait_s(failed) <= most
