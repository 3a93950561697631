"""Who makes what: one lock for each artifact in the making.

The locks are the kernel's (flock), so they go with the process that holds them, however it ends: there is no
stale lock, and nothing to take over by hand.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TRIES, PAUSE_S = 5, 0.01
"""Who only looks holds a lock for microseconds; who does not want to wait still outlasts that."""


@contextmanager
def claimed(path: Path, wait: bool = True) -> Iterator[int | None]:
    """Hold the lock at `path` inside the block; without `wait`, give None where another process holds it.

    Given is the open file: a process that is started with it (`pass_fds`) holds the lock too, where this one
    dies before the end of the block. The file goes with the lock. Raises OSError where it cannot be made, or
    the file system has no locks.
    """
    file = _take(path, wait)
    try:
        yield file
    finally:
        if file is not None:
            path.unlink(missing_ok=True)
            fcntl.flock(file, fcntl.LOCK_UN)  # at once, even where a forked child has the file open
            os.close(file)


def is_claimed(path: Path) -> bool:
    """Whether a living process holds the lock at `path`."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


@contextmanager
def folder_lock(folder: Path, alone: bool) -> Iterator[bool]:
    """Hold a folder together with others, or `alone`, which does not wait: False where others hold it."""
    file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        got = True
    except BlockingIOError:
        got = False
    try:
        yield got
    finally:
        os.close(file)


def _take(path: Path, wait: bool) -> int | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tries = 0
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_at(file, path):
                return file
        except BlockingIOError:
            tries += 1
            if tries == TRIES:
                os.close(file)
                return None
            time.sleep(PAUSE_S)
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file still lies at its path: its last holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
