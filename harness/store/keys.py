"""Canonical JSON and the keys made from it."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY_LENGTH = 20
BLOCK = 128 * 1024
"""Bytes hashed at once: little enough that a small file costs no large buffer."""

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


@dataclass(frozen=True)
class Identity:
    """What a key was made from."""

    stage: str
    key: str
    version: int
    params: Mapping[str, Any]
    inputs: Mapping[str, str]


def canonical(value: Any) -> str:
    """JSON with one spelling for each value: sorted keys, no blanks, no NaN.

    Raises:
        TypeError, ValueError: for what JSON cannot hold.
    """
    return _CANONICAL.encode(value)


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    return file_facts(path)[0]


def content_digest(path: Path, of: Callable[[Path], str] = file_digest) -> str:
    """That of a file; of a folder, that of its files' names and digests. Hidden files are no content."""
    if path.is_file():
        return of(path)
    files = {file.relative_to(path): file for file in path.rglob("*") if file.is_file()}
    return digest(
        {
            name.as_posix(): of(file)
            for name, file in files.items()
            if not any(part.startswith(".") for part in name.parts)
        }
    )


def file_facts(path: str | Path) -> tuple[str, int]:
    """SHA-256 of a file's bytes, in hex, and how many they are."""
    content, size = hashlib.sha256(), 0
    for block in blocks(path):
        content.update(block)
        size += len(block)
    return content.hexdigest(), size


def blocks(path: str | Path) -> Iterator[bytes]:
    """A file's bytes, so many at once; of a small file, open() would be most of the work."""
    file = os.open(path, os.O_RDONLY)
    try:
        while block := os.read(file, BLOCK):
            yield block
    except OSError as error:
        error.filename = os.fspath(path)  # which what reads by number does not know
        raise
    finally:
        os.close(file)
