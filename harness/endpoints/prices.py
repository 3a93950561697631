"""Prices of models: what tokens cost, and the dated table of the well-known ones."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens. Discounts for cached prompts are not taken: the cost is at most this."""

    input: float
    output: float

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Dollars for so many tokens."""
        return (self.input * prompt_tokens + self.output * completion_tokens) / 1e6


def listed_price(base_url: str, model: str) -> Price | None:
    """The table's price for a model at the host of `base_url`; none where the table does not have both."""
    return _table().get((urlsplit(base_url).hostname or "", model))


def table_date() -> str:
    """The day (YYYY-MM-DD) on which the table's prices were read."""
    return str(_document()["read"])


@cache
def _document() -> dict[str, object]:
    return tomllib.loads(files("harness.endpoints").joinpath("prices.toml").read_text("utf-8"))


@cache
def _table() -> dict[tuple[str, str], Price]:
    hosts = _document()["hosts"]
    assert isinstance(hosts, dict)
    return {(host, model): Price(*pair) for host, models in hosts.items() for model, pair in models.items()}
