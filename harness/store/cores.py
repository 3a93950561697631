"""A look at each of many artifacts, on all cores where there are many."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

Found = TypeVar("Found")

EACH = 5000
"""So many artifacts are looked at in the time that one more process takes to start."""
PARTS = 20
"""Of what each process does: few, as the pool waits busily for each, and enough to share fairly."""


@contextmanager
def on_all_cores(
    look: Callable[[tuple[str, str]], Found], names: Sequence[tuple[str, str]]
) -> Iterator[Iterable[Found]]:
    """What `look` finds at each artifact, by stage and key, in order.

    What `look` raises is raised where its result is taken.
    """
    jobs = min(os.cpu_count() or 1, 1 + len(names) // EACH)
    if jobs == 1:
        yield map(look, names)
        return
    with get_context("spawn").Pool(jobs, _leave_interrupts) as pool:
        yield pool.imap(look, names, max(1, len(names) // (PARTS * jobs)))


def _leave_interrupts() -> None:
    """Ctrl-C reaches the whole process group, and is the caller's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
