"""What a disk can do to a store: lose power, and be full."""

import errno
import os
from pathlib import Path

FULL = 64 * 1024
"""Bytes. Some libraries do not say why a write failed; less room than this does."""


def flush(folder: Path) -> None:
    """Wait until a folder and all in it are on the disk."""
    for path in [*folder.rglob("*"), folder]:
        flush_one(path)


def flush_one(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def is_full(error: BaseException, folder: Path) -> bool:
    """Whether an error comes from a full disk or a used-up quota, as far as can be told."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if os.strerror(errno.ENOSPC) in str(cause):  # safetensors has errors of its own
            return True
        cause = cause.__cause__ or cause.__context__
    space = os.statvfs(folder)
    return space.f_blocks > 0 and space.f_bavail * space.f_frsize < FULL  # /proc, for one, has no blocks
