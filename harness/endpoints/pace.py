"""When a call may start: the rate limit, what the server asked for, and the waits between attempts."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Waits between the attempts of one item: they double from `first_s` to `longest_s`, and each is cut to a
    random share between a half and all, so that threads do not come back together.

    A server that asks for more than `patience_s` stops the batch; `poll_s` is how often one looks whether
    another process has finished with an item or with its share of the budget.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    patience_s: float = 600.0
    poll_s: float = 0.1

    def wait_s(self, failed: int) -> float:
        """Seconds after so many failed attempts (1, 2, ...)."""
        return float(
            min(self.longest_s, self.first_s * 2.0 ** min(failed - 1, 30)) * random.uniform(0.5, 1.0)
        )


PATIENT = Backoff()


class Pace:
    """Hands out the moments at which calls may start; threads share it."""

    def __init__(self, per_minute: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._free = clock()

    def turn(self) -> float:
        """Take the next free moment; seconds until it comes."""
        with self._lock:
            now = self._clock()
            start = max(now, self._free)
            self._free = start + self._gap
            return start - now

    def hold(self, seconds: float) -> None:
        """No call of any thread takes a moment before so many seconds are over."""
        with self._lock:
            self._free = max(self._free, self._clock() + seconds)
