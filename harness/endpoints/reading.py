"""What an endpoint's answer means: a completion, or a fault and what follows from it. Pure functions."""

import email.utils
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from harness.endpoints.endpoint import Endpoint

SHOWN = 200  # characters of a server's own words in one of our sentences


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class TokenLogprob:
    """A generated token with its log-probability in nats, and the likeliest tokens in its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Completion:
    """An answer. `usd` is what it was paid when it was asked; none: no price was known, then or now.

    `logprobs` has one entry for each token, and is none where the answer has none.
    """

    text: str
    finish_reason: str
    logprobs: tuple[TokenLogprob, ...] | None
    prompt_tokens: int
    completion_tokens: int
    usd: float | None


class Next(Enum):
    """What follows from a fault."""

    RETRY = "ask again later"
    RECONNECT = "ask again later; where that does not help, all items would fail"
    SKIP = "this item fails, whenever it is asked"
    STOP = "all items would fail"


@dataclass(frozen=True)
class Fault:
    """Why a call gave no completion.

    `paid` is whether the server may charge for the call; `tokens` is then (prompt, completion), where the
    answer said so. `wait_s` is how long the server asked to be left alone. `remedy` is a sentence for who can
    mend it.
    """

    why: str
    next: Next
    remedy: str = ""
    paid: bool = False
    tokens: tuple[int, int] | None = None
    wait_s: float | None = None


def read_reply(reply: Reply, endpoint: Endpoint, logprobs: bool) -> dict[str, Any] | Fault:
    """The answer's JSON object, if `completion` can read it; else what is wrong, and what follows."""
    if reply.status != 200:
        return _refusal(reply, endpoint)
    try:
        answer = json.loads(reply.text)
    except (ValueError, RecursionError):
        return Fault(f"answered with no JSON: {_short(reply.text)}", Next.RETRY, paid=True)
    if not isinstance(answer, dict):
        return Fault(f"answered with no JSON object: {_short(reply.text)}", Next.RETRY, paid=True)
    return _flaw(answer, logprobs) or answer


def completion(answer: Mapping[str, Any], usd: float | None) -> Completion:
    """The completion in an answer that `read_reply` let pass."""
    choice = answer["choices"][0]
    prompt_tokens, completion_tokens = usage(answer)
    return Completion(
        text=choice["message"]["content"],
        finish_reason=str(choice.get("finish_reason") or ""),
        logprobs=_logprobs(choice),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        usd=usd,
    )


def usage(answer: Mapping[str, Any]) -> tuple[int, int]:
    """(prompt, completion) tokens of an answer.

    Raises:
        KeyError, TypeError, ValueError: it does not say.
    """
    counts = answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError(counts)
    return counts


def _flaw(answer: Mapping[str, Any], logprobs: bool) -> Fault | None:
    """What is missing in an answer with status 200."""
    if answer.get("error"):  # OpenRouter's way
        return Fault(f"answered with an error: {_short(_message(answer))}", Next.RETRY, paid=True)
    try:
        tokens = usage(answer)
    except (KeyError, TypeError, ValueError):
        return Fault("answered without usage, so its cost is unknown", Next.RETRY, paid=True)
    try:
        choice = answer["choices"][0]
        text = choice["message"]["content"]
    except (KeyError, TypeError, IndexError):
        return Fault("answered without choices", Next.RETRY, paid=True, tokens=tokens)
    if not isinstance(text, str):
        filtered = choice.get("finish_reason") == "content_filter" or choice["message"].get("refusal")
        why = "refused to answer (content filter)" if filtered else "answered without content"
        return Fault(why, Next.SKIP if filtered else Next.RETRY, paid=True, tokens=tokens)
    try:
        given = _logprobs(choice)
    except (AttributeError, KeyError, TypeError, ValueError):
        return Fault("answered with log-probabilities of no known form", Next.RETRY, paid=True, tokens=tokens)
    if logprobs and text and not given:
        why, remedy = "gave no log-probabilities", "Use a model that gives them, or do not ask for logprobs."
        return Fault(why, Next.STOP, remedy, paid=True, tokens=tokens)
    return None


def _logprobs(choice: Mapping[str, Any]) -> tuple[TokenLogprob, ...] | None:
    content = (choice.get("logprobs") or {}).get("content")
    if content is None:
        return None
    return tuple(
        TokenLogprob(
            token["token"],
            float(token["logprob"]),
            tuple((top["token"], float(top["logprob"])) for top in token.get("top_logprobs") or ()),
        )
        for token in content
    )


def _refusal(reply: Reply, endpoint: Endpoint) -> Fault:
    """What an HTTP status other than 200 means."""
    said = f"answered {reply.status}: {_short(_said(reply.text))}"
    if reply.status == 402 or (reply.status == 429 and "insufficient_quota" in reply.text):
        return Fault(said, Next.STOP, "Add money to the account, or raise its limit.")
    if reply.status in {408, 409, 425, 429} or reply.status >= 500:
        return Fault(said, Next.RETRY, wait_s=_retry_after(reply.headers))
    if reply.status in {400, 413, 422}:
        return Fault(said, Next.SKIP)
    if reply.status in {401, 403}:
        variable = endpoint.key_env
        check = f"Check the key in {variable}." if variable else "Name the variable with its key by key_env."
        return Fault(said, Next.STOP, check)
    return Fault(said, Next.STOP, "Check base_url and model.")


def _said(text: str) -> str:
    """The words of an error in OpenAI's form, else the whole text."""
    try:
        return _message(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _message(answer: Any) -> str:
    """The message of an error, else all of the JSON."""
    try:
        return str(answer["error"]["message"])
    except (KeyError, TypeError):
        return json.dumps(answer)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return (words[:SHOWN] + "..." if len(words) > SHOWN else words) or "(nothing)"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a number or a date (RFC 9110, 10.2.3); none where there is no such header."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
