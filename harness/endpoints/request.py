"""What is asked: a request, the JSON that is sent for it, its key, and the most it can cost."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.endpoints.endpoint import Endpoint
from harness.errors import BadInput

# Tokens that a chat template adds before the first message, such as a date or a default system prompt.
TEMPLATE_TOKENS = 64

# What the call layer sets itself, or could not account for.
RESERVED = frozenset({"model", "messages", "stream", "n"})


@dataclass(frozen=True)
class Request:
    """One question to a chat endpoint.

    Args:
        messages: `{"role": ..., "content": text}` in order. No text is ever filled in or read as a template.
        template: name and version of what the texts were rendered with.
        params: of the chat completion, such as `temperature`, `max_tokens` or `max_completion_tokens`,
            `logprobs`, `top_logprobs` and `seed`.
        draw: tells several samples of one question apart; it is not sent.
    """

    messages: Sequence[Mapping[str, str]]
    template: str
    params: Mapping[str, Any] = field(default_factory=dict)
    draw: int = 0


def request_body(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """What is sent, as a JSON object.

    Raises:
        BadInput: a parameter that the call layer sets itself.
    """
    if taken := sorted(RESERVED & request.params.keys()):
        raise BadInput(f"request params: {', '.join(taken)} cannot be set here. Remove it.")
    return {"model": endpoint.model, "messages": [dict(m) for m in request.messages], **request.params}


def request_key(endpoint: Endpoint, request: Request) -> str:
    """SHA-256 in hex of all that can change the answer: model, messages, parameters, template and draw."""
    asked = [request_body(endpoint, request), request.template, request.draw]
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def encode(body: Mapping[str, Any]) -> bytes:
    """The body as ASCII JSON; a lone surrogate passes through as an escape."""
    return json.dumps(body, allow_nan=False).encode()


def worst_usd(endpoint: Endpoint, body: Mapping[str, Any]) -> float | None:
    """The most that one call can cost, in dollars; none where the price is unknown.

    No tokenizer makes more tokens than there are bytes, and the body's JSON has more bytes than the texts and
    the marks between them; the answer is bounded by the request.

    Raises:
        BadInput: there is a budget, and the request has no bound on the answer's tokens.
    """
    price = endpoint.price_now
    if price is None:
        return None
    longest = body.get("max_completion_tokens", body.get("max_tokens"))
    if isinstance(longest, int):
        return price.usd(len(encode(body)) + TEMPLATE_TOKENS, longest)
    if endpoint.budget_usd is not None:
        raise BadInput(
            f"{endpoint.model}: budget_usd needs max_tokens or max_completion_tokens in every request; "
            "without it nothing bounds what a call costs."
        )
    return None


def asks_logprobs(body: Mapping[str, Any]) -> bool:
    """Whether the answer must hold log-probabilities."""
    return bool(body.get("logprobs"))
