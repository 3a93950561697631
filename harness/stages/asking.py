"""From a recipe's endpoint to the call layer, and from what its calls cost to the meter."""

from harness.endpoints.batch import Totals
from harness.endpoints.caller import Caller
from harness.endpoints.endpoint import Endpoint
from harness.endpoints.prices import Price
from harness.recipe import endpoint as tables
from harness.stages.job import Job


def caller_of(job: Job, table: tables.Endpoint) -> Caller:
    """Asks the endpoint of a table; what it answers is kept in the store's journal.

    Raises:
        BadInput: a value that only the call layer can judge is wrong.
    """
    assert job.journal is not None
    return Caller(endpoint_of(table), job.journal)


def endpoint_of(table: tables.Endpoint) -> Endpoint:
    """The endpoint that a recipe's table describes. Raises BadInput as `caller_of`."""
    prices = (table.usd_per_million_in, table.usd_per_million_out)
    return Endpoint(
        base_url=table.base_url,
        model=table.model,
        key_env=table.key_env,
        concurrency=table.concurrency,
        requests_per_minute=table.requests_per_minute,
        timeout_s=table.timeout_s,
        attempts=table.attempts,
        price=None if None in prices else Price(*prices),  # type: ignore[arg-type]
        budget_usd=table.budget_usd,
    )


def count_calls(job: Job, totals: Totals) -> None:
    """Meter calls that are no judgments."""
    tokens = (totals.prompt_tokens, totals.completion_tokens)
    job.meter.count_judge(0, totals.usd or 0.0, tokens, totals.calls if totals.usd is None else 0)
