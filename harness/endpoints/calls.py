"""One item's way to its answer: claim, call, settle, and again where that can help. Threads share it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Lock
from typing import Any

from harness.endpoints.batch import Failure
from harness.endpoints.endpoint import Endpoint
from harness.endpoints.http import Connection
from harness.endpoints.journal import Claim, Journal
from harness.endpoints.pace import Backoff, Pace
from harness.endpoints.reading import Completion, Fault, Next, completion, read_reply, usage
from harness.endpoints.request import Request, asks_logprobs, encode, request_body, worst_usd
from harness.errors import BadInput

STOPPED = Failure("It was not asked, because the batch was stopped.")
FIRST_CONTACT = 3  # attempts to reach a server that has not answered yet: most often its address is wrong


@dataclass
class Count:
    """What a batch did itself: HTTP requests, and the dollars of paid and of lost answers (none: unknown)."""

    sent: int = 0
    paid: list[float | None] = field(default_factory=list)
    lost: list[float | None] = field(default_factory=list)


class Calls:
    """Asks for what is not in the journal yet."""

    def __init__(
        self, endpoint: Endpoint, journal: Journal, connection: Connection, backoff: Backoff
    ) -> None:
        self._endpoint, self._journal, self._connection = endpoint, journal, connection
        self._backoff = backoff
        self._pace = Pace(endpoint.requests_per_minute)
        self._stop = Event()
        self._broke: Failure | None = None
        self._heard = False
        self._counting = Lock()
        self.count = Count()

    def stop(self) -> None:
        """Let no further call begin; those under way are finished and journaled."""
        self._stop.set()

    def ask(self, key: str, request: Request) -> Completion | Failure:
        """The answer to one request, whoever pays it.

        Raises:
            BadInput: no item of the batch can succeed; no further call begins.
            StoreError: the journal cannot be read or written.
        """
        try:
            return self._ask(key, request)
        except BaseException:
            self.stop()
            raise

    def _ask(self, key: str, request: Request) -> Completion | Failure:
        body = request_body(self._endpoint, request)
        most = worst_usd(self._endpoint, body)
        for attempt in count(1):
            if (ended := self._claim(key, most)) is not None:
                return ended
            answer = self._settled(key, self._answer(body), most, request.template)
            if isinstance(answer, Completion):
                return answer
            if self._is_last(attempt, answer):
                return self._given_up(answer, attempt)
            self._back_off(answer, attempt)
        raise AssertionError("one attempt is the last")

    def _claim(self, key: str, most: float | None) -> Completion | Failure | None:
        """Wait for the moment, and for the right, to make a call; none: make it."""
        while self._broke is None:
            if self._stop.wait(self._pace.turn()):
                return STOPPED
            match self._journal.claim(key, most, self._endpoint.budget_usd):
                case Claim.MINE:
                    return None
                case Claim.PAID:
                    return journaled(self._endpoint, self._journal, key)
                case Claim.BROKE:
                    self._broke = self._budget_reached(most or 0.0)
                case Claim.WAIT:
                    self._stop.wait(self._backoff.poll_s)
        return self._broke

    def _answer(self, body: Mapping[str, Any]) -> dict[str, Any] | Fault:
        """Make one call."""
        with self._counting:
            self.count.sent += 1
        reply = self._connection.post(encode(body))
        if isinstance(reply, Fault):
            return reply
        self._heard = True
        return read_reply(reply, self._endpoint, asks_logprobs(body))

    def _settled(
        self, key: str, answer: dict[str, Any] | Fault, most: float | None, template: str
    ) -> Completion | Fault:
        """The answer, once the journal says what came of the call."""
        if isinstance(answer, Fault) and not answer.paid:
            self._journal.free(key)
            return answer
        if isinstance(answer, Fault):
            usd = self._usd(answer.tokens) if answer.tokens else most
            self._journal.lose(key, usd)
            with self._counting:
                self.count.lost.append(usd)
            return answer
        usd = self._usd(usage(answer))
        self._journal.pay(key, usd, answer, template)
        with self._counting:
            self.count.paid.append(usd)
        return completion(answer, usd)

    def _is_last(self, attempt: int, fault: Fault) -> bool:
        """Whether no further attempt is made; one waits less for a server that has never been heard."""
        if fault.next is Next.RECONNECT and not self._heard:
            return attempt >= min(FIRST_CONTACT, self._endpoint.attempts)
        return fault.next in {Next.STOP, Next.SKIP} or attempt == self._endpoint.attempts

    def _given_up(self, fault: Fault, attempt: int) -> Failure:
        sentence = self._sentence(fault, attempt)
        if fault.next in {Next.STOP, Next.RECONNECT}:
            raise BadInput(sentence)
        return Failure(sentence)

    def _back_off(self, fault: Fault, attempt: int) -> None:
        """Wait before the next attempt; where the server names the wait, all threads keep it.

        Raises:
            BadInput: the server asks for more than anyone's patience.
        """
        if not fault.wait_s:
            self._stop.wait(self._backoff.wait_s(attempt))
        elif fault.wait_s <= self._backoff.patience_s:
            self._pace.hold(fault.wait_s)
        else:
            raise BadInput(
                f"{self._sentence(fault, attempt)} It asks to be left alone for {fault.wait_s:.0f} s: "
                "run again then; what was paid is kept."
            )

    def _sentence(self, fault: Fault, attempt: int) -> str:
        tried = f", at attempt {attempt}" if attempt > 1 else ""
        remedy = f" {fault.remedy}" if fault.remedy else ""
        return f"{self._endpoint.model} at {self._endpoint.base_url} {fault.why}{tried}.{remedy}"

    def _budget_reached(self, most: float) -> Failure:
        return Failure(
            f"The budget of ${self._endpoint.budget_usd:g} for {self._endpoint.model} does not allow it: "
            f"${self._journal.spent_usd:.4f} is spent, and the next call can cost ${most:.4f}."
        )

    def _usd(self, tokens: tuple[int, int]) -> float | None:
        price = self._endpoint.price_now
        return None if price is None else price.usd(*tokens)


def journaled(endpoint: Endpoint, journal: Journal, key: str) -> Completion | None:
    """The completion of a paid call, at the price it was paid; none where there is none.

    One that was paid while no price was known counts at today's.
    """
    if (found := journal.find(key)) is None:
        return None
    answer, usd = found
    if usd is None and endpoint.price_now is not None:
        usd = endpoint.price_now.usd(*usage(answer))
    return completion(answer, usd)
