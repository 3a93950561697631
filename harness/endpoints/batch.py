"""What a batch of requests gave, and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from harness.endpoints.reading import Completion


@dataclass(frozen=True)
class Failure:
    """An item without an answer, and why, in one sentence. It is not journaled: the next batch asks again."""

    why: str


@dataclass(frozen=True)
class Totals:
    """Calls, tokens and US dollars of a batch.

    `calls` counts completions, `prompt_tokens` and `completion_tokens` their tokens, and `usd` what they were
    paid when they were asked: each distinct one once, found in the journal or not. That is the cost of the
    result, which does not depend on how often the work was interrupted. `failed` counts distinct requests
    without an answer.

    `sent`, `paid_now` and `usd_now` say what this process did for this batch: HTTP requests with all their
    retries, completions it paid, and their dollars. `lost_usd` is the most that the server can charge for
    answers that never came or were unusable; the budget counts it, `usd` does not. Dollars are none where a
    price is unknown.
    """

    calls: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    sent: int
    paid_now: int
    usd_now: float | None
    lost_usd: float | None

    @property
    def from_journal(self) -> int:
        """Completions that had been paid before, or by another process meanwhile."""
        return self.calls - self.paid_now


@dataclass(frozen=True)
class Batch:
    """The answers, in the order of the requests, and the totals."""

    answers: tuple[Completion | Failure, ...]
    totals: Totals


def add_usd(amounts: Sequence[float | None]) -> float | None:
    """The sum, the same in any order; none where one of them is unknown."""
    known = [amount for amount in amounts if amount is not None]
    return fsum(known) if len(known) == len(amounts) else None
