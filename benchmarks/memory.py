"""The memory of this process while a block of work runs (Linux)."""

import threading
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

from torch.profiler import ProfilerActivity, profile

GIB = 2**30


class Peak:
    """While open, watches `own`: bytes of this process, mapped files left out, which the system may drop."""

    def __init__(self) -> None:
        self.own = 0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while True:
            self.own = max(self.own, _anonymous())
            if self._over.wait(0.05):
                return

    def __enter__(self) -> "Peak":
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()


def peak_allocated(work: Callable[[], object]) -> int:
    """Bytes of tensors on the CPU at the peak of a piece of work, beyond those at its start; exact."""
    work()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    # Each event is one allocation (or, below zero, one release).
    assert profiled.profiler is not None
    events = profiled.profiler.kineto_results.events()
    changes = [(event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"]
    sizes = [size for _, size in sorted(changes, key=lambda change: change[0])]
    return int(max(accumulate(sizes, initial=0)))


def _anonymous() -> int:
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024
