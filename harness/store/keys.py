"""Canonical JSON and the keys made from it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY_LENGTH = 20


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
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digest(path: Path) -> str:
    """SHA-256 of a file; of a folder, that of its files' names and digests. Hidden files are no content."""
    if path.is_file():
        return file_digest(path)
    files = {file.relative_to(path): file for file in path.rglob("*") if file.is_file()}
    return digest(
        {
            name.as_posix(): file_digest(file)
            for name, file in files.items()
            if not any(part.startswith(".") for part in name.parts)
        }
    )
