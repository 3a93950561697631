"""What a disk can do to files: lose power, and be full."""

import errno
import os
from contextlib import suppress
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


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that lack, and wait until their names are on the disk."""
    lacking = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in lacking:
        with suppress(PermissionError):  # a folder may take names and not show them
            flush_one(each.parent)


def write_flushed(path: Path, text: str) -> None:
    """Write a file beside its place, and rename it in once it is on the disk; then its name is there, too.

    At any loss of power the file is whole, or what it was before. One process may write it at a time.
    """
    torn = path.with_name(f"{path.name}.torn")
    torn.write_text(text, encoding="utf-8")
    flush_one(torn)
    torn.replace(path)
    flush_one(path.parent)


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
