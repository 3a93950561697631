"""A chat endpoint: where it is, which model answers, and what may be asked of it at what price."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from harness.endpoints.prices import Price, listed_price
from harness.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An OpenAI-compatible chat endpoint; every value is plain and none is secret.

    Args:
        base_url: what `/chat/completions` is appended to, such as `https://api.openai.com/v1`.
        model: the model's name with its dated version. Together with a journal's folder it must name one
            model: the journal does not ask twice because a server has moved.
        key_env: NAME of the environment variable that holds the key; none: no key is sent.
        concurrency: calls at a time, in one process.
        requests_per_minute: how many calls one process may start; none: no limit.
        timeout_s: seconds for one call, from its start to the last byte of the answer.
        attempts: how often an item is tried before it fails.
        price: none: that of the dated table, where it has one (`price_now`).
        budget_usd: hard limit on what is ever paid for this model in one journal; none: no limit.

    Raises:
        BadInput: a sentence for each value that is wrong.
    """

    base_url: str
    model: str
    key_env: str | None = None
    concurrency: int = 8
    requests_per_minute: float | None = None
    timeout_s: float = 120.0
    attempts: int = 8
    price: Price | None = None
    budget_usd: float | None = None

    def __post_init__(self) -> None:
        if problems := tuple(self._problems()):
            raise BadInput(problems)

    @property
    def price_now(self) -> Price | None:
        """The price stated, else that of the table; none: unknown."""
        return self.price or listed_price(self.base_url, self.model)

    def _problems(self) -> Iterator[str]:
        yield from _url_problems(self.base_url)
        if not self.model.strip():
            yield "endpoint model: must name a model. Got an empty text."
        # A pasted key has small letters or hyphens, and must not be repeated.
        if self.key_env is not None and not re.fullmatch("[A-Z_][A-Z0-9_]*", self.key_env):
            yield (
                "endpoint key_env: must be the name of an environment variable in capitals, such as "
                "OPENAI_API_KEY, and never the key itself. (The value is not shown.)"
            )
        for name in ("concurrency", "attempts", "timeout_s", "requests_per_minute", "budget_usd"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                yield f"endpoint {name}: must be more than 0. Got {value}."
        if self.price is not None and not (self.price.input >= 0 and self.price.output >= 0):
            yield f"endpoint price: must be at least 0. Got {self.price.input} and {self.price.output}."
        if self.budget_usd is not None and not _url_wrong(self.base_url) and self.price_now is None:
            yield (
                f"endpoint budget_usd: needs a price, and the table has none for {self.model} at "
                f"{urlsplit(self.base_url).hostname}. State it, in dollars per million tokens (0: free)."
            )


def _url_problems(url: str) -> Iterator[str]:
    if wrong := _url_wrong(url):
        yield f"endpoint base_url: {wrong}"


def _url_wrong(url: str) -> str:
    """What is wrong with a base URL; empty if nothing is. One that holds a password is not repeated."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"is no address. Got {url!r}."
    if parts.username or parts.password or parts.query or parts.fragment:
        return "must hold no user, password or query; give a key by key_env. (The value is not shown.)"
    if parts.scheme not in {"http", "https"} or not host:
        return f"must begin with http:// or https:// and a host. Got {url!r}."
    return ""
