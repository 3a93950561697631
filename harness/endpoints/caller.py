"""Ask a batch of requests: what is journaled is served, and the rest is asked within the limits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeAlias

from harness.endpoints.batch import Batch, Failure, Totals, add_usd
from harness.endpoints.calls import Calls, Count, journaled
from harness.endpoints.endpoint import Endpoint
from harness.endpoints.http import Connection, read_key
from harness.endpoints.journal import Journal, journal_file
from harness.endpoints.pace import PATIENT, Backoff
from harness.endpoints.reading import Completion
from harness.endpoints.request import Request, request_body, request_key, worst_usd

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (distinct requests done, distinct requests in all)."""


class Caller:
    """Asks one endpoint, and keeps every answer in a journal.

    Args:
        endpoint: whom to ask.
        journals: folder of journals, one for each model. Processes may share it. It is the scope of the
            budget, and what makes sure that nothing is paid twice: keep it.
        backoff: the waits.
    """

    def __init__(self, endpoint: Endpoint, journals: Path, backoff: Backoff = PATIENT) -> None:
        self.endpoint = endpoint
        self.journal = journal_file(journals, endpoint.model)
        self._backoff = backoff

    def complete(self, requests: Sequence[Request], progress: Progress | None = None) -> Batch:
        """Answer each request, in order; equal requests share one answer.

        A request fails alone where the server refuses it or gives no usable answer in all attempts, and all
        that are left fail where the next call could break the budget. An error, or an interrupt, lets the
        calls under way end; what was paid is journaled, and is not asked again.

        Raises:
            BadInput: no call can succeed (no key, wrong key, model or address), or a request is wrong.
            StoreError: the journal cannot be read or written.
        """
        keys = [request_key(self.endpoint, request) for request in requests]
        wanted = dict(zip(keys, requests, strict=True))
        with Journal(self.journal) as journal:
            found = {key: journaled(self.endpoint, journal, key) for key in wanted}
            answers: dict[str, Completion | Failure] = {key: kept for key, kept in found.items() if kept}
            missing = {key: request for key, request in wanted.items() if key not in answers}
            asked, count = self._ask(journal, missing, _shifted(progress, len(answers), len(wanted)))
        answers |= asked
        return Batch(tuple(answers[key] for key in keys), _totals(answers.values(), count))

    def _ask(
        self, journal: Journal, missing: Mapping[str, Request], progress: Callable[[int], None]
    ) -> tuple[dict[str, Completion | Failure], Count]:
        progress(0)
        if not missing:
            return {}, Count()
        read_key(self.endpoint)
        for request in missing.values():
            worst_usd(self.endpoint, request_body(self.endpoint, request))
        with Connection(self.endpoint) as connection:
            calls = Calls(self.endpoint, journal, connection, self._backoff)
            pool = ThreadPoolExecutor(min(self.endpoint.concurrency, len(missing)))
            try:
                futures = {pool.submit(calls.ask, key, request): key for key, request in missing.items()}
                asked = {}
                for future in as_completed(futures):
                    asked[futures[future]] = future.result()
                    progress(len(asked))
            finally:
                calls.stop()
                pool.shutdown(cancel_futures=True)
        return asked, calls.count


def _shifted(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    """Progress of what is asked, told as progress of the batch."""
    return lambda asked: progress(done + asked, total) if progress else None


def _totals(answers: Iterable[Completion | Failure], count: Count) -> Totals:
    """Of distinct answers."""
    answers = list(answers)
    completions = [answer for answer in answers if isinstance(answer, Completion)]
    return Totals(
        calls=len(completions),
        failed=len(answers) - len(completions),
        prompt_tokens=sum(answer.prompt_tokens for answer in completions),
        completion_tokens=sum(answer.completion_tokens for answer in completions),
        usd=add_usd([answer.usd for answer in completions]),
        sent=count.sent,
        paid_now=len(count.paid),
        usd_now=add_usd(count.paid),
        lost_usd=add_usd(count.lost),
    )
