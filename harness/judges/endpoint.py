"""A chat model behind an endpoint, for judges."""

from collections.abc import Sequence

from harness.endpoints.batch import Failure, Totals
from harness.endpoints.caller import Caller, Progress
from harness.endpoints.reading import Completion
from harness.endpoints.request import Request
from harness.judges.base import Usage


class EndpointChat:
    """Asks through a caller, and sums what its batches cost."""

    def __init__(self, caller: Caller, progress: Progress | None = None) -> None:
        self._caller, self._progress = caller, progress
        self._totals: list[Totals] = []

    @property
    def id(self) -> str:
        """The model's name."""
        return self._caller.endpoint.model

    @property
    def usage(self) -> Usage:
        """Answers, tokens and dollars of the result, whether paid now or found in the journal."""
        return Usage(
            calls=sum(totals.calls for totals in self._totals),
            usd=sum(totals.usd or 0.0 for totals in self._totals),
            unpriced=sum(totals.calls for totals in self._totals if totals.usd is None),
            tokens_in=sum(totals.prompt_tokens for totals in self._totals),
            tokens_out=sum(totals.completion_tokens for totals in self._totals),
        )

    def complete(self, requests: Sequence[Request]) -> Sequence[Completion | Failure]:
        """An answer to each request, in order.

        Raises:
            BadInput: no call can succeed, or a request is wrong.
            StoreError: the journal cannot be read or written.
        """
        if not requests:
            return []
        batch = self._caller.complete(requests, self._progress)
        self._totals.append(batch.totals)
        return batch.answers
