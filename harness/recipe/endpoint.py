"""OpenAI-compatible endpoints: which model, where, how fast and for how much (docs/endpoints.md)."""

from typing import Annotated

from pydantic import Field

from harness.recipe.sources import Text
from harness.recipe.table import Count, NonNegative, Positive, Table


class Endpoint(Table):
    """A model behind an OpenAI-compatible chat endpoint.

    `key_env` names the environment variable that holds the key; the key itself is written nowhere. Prices
    are in US dollars for a million tokens; without them the dated price table is asked. `budget_usd` stops
    before the call that would break it.
    """

    base_url: Annotated[str, Field(pattern=r"^https?://")]
    model: Text
    key_env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    concurrency: Count = 8
    requests_per_minute: Count | None = None
    timeout_s: Positive = 120.0
    attempts: Count = 8
    usd_per_million_in: NonNegative | None = None
    usd_per_million_out: NonNegative | None = None
    budget_usd: Positive | None = None
