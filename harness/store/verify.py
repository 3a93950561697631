"""Whether artifacts are what was written: every file of them is read."""

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from harness.store.manifest import mismatches, read_manifest

Name = tuple[str, str]
"""Stage and key."""
EACH = 2000
"""So many artifacts are read in the time that one more process takes to start."""
PARTS = 20
"""Of what each process reads: few, as the pool waits busily for each, and enough to share fairly."""


def faults(root: str, name: Name) -> list[str] | None:
    """What is wrong with an artifact; None where there is none, as its manifest is not there.

    Raises:
        NewerStore: a newer program wrote it.
        PermissionError: it may not be read, which is no fault of what it holds.
    """
    folder = f"{root}/{'/'.join(name)}"
    try:
        manifest = read_manifest(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise
    except (ValueError, OSError) as error:
        return [str(error)]
    try:
        return list(mismatches(folder, manifest))
    except PermissionError:
        raise
    except OSError as error:  # the disk gave up, or a file went meanwhile
        return [str(error)]


@contextmanager
def verifying(root: Path, names: Sequence[Name]) -> Iterator[Iterable[list[str] | None]]:
    """The `faults` of each, in order; on all cores where there are many.

    Raises:
        NewerStore: a newer program wrote one.
    """
    jobs = min(os.cpu_count() or 1, 1 + len(names) // EACH)
    check = partial(faults, str(root))
    if jobs == 1:
        yield map(check, names)
        return
    with get_context("spawn").Pool(jobs, _leave_interrupts) as pool:
        yield pool.imap(check, names, max(1, len(names) // (PARTS * jobs)))


def _leave_interrupts() -> None:
    """Ctrl-C reaches the whole process group, and is the caller's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
