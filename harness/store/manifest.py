"""The manifest of an artifact: written last, so its presence is the proof that the artifact is whole."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from harness.errors import NewerStore
from harness.store.keys import blocks, canonical, digest, file_facts

SCHEMA_VERSION = 1
NAME = "manifest.json"


class Manifest(NamedTuple):
    """What an artifact is, what it was made from, its files, and what it cost when it was made.

    A tuple, as a hundred thousand are made in one command. `files` maps each file's name to its SHA-256 and
    its size in bytes. `missing` counts the verdicts that the artifact lacks.
    """

    stage: str
    key: str
    version: int
    params: Mapping[str, Any]
    inputs: Mapping[str, str]
    files: Mapping[str, Mapping[str, Any]]
    cost: Mapping[str, float]
    provenance: Mapping[str, Any]
    missing: int = 0
    schema_version: int = SCHEMA_VERSION


def describe_files(folder: Path | str) -> dict[str, dict[str, Any]]:
    """Name, digest and size of every file below a folder but the manifest."""
    found = {}
    for name, path in _files(str(folder), ""):
        if name != NAME:
            found[name] = _described(path)
    return found


def _described(path: str) -> dict[str, Any]:
    sha256, size = file_facts(path)
    return {"sha256": sha256, "bytes": size}


def _files(folder: str, inside: str) -> Iterator[tuple[str, str]]:
    """Name and path of every file below a folder; strings, since a store has hundreds of thousands."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{inside}{entry.name}/")
            elif entry.is_file():
                yield f"{inside}{entry.name}", entry.path


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest with a digest of its content; canonical, so that a reader need not spell it anew."""
    content = manifest._asdict()
    (folder / NAME).write_text(canonical({**content, "digest": digest(content)}) + "\n")


def read_manifest(folder: Path | str) -> Manifest:
    """Read a manifest.

    Raises:
        ValueError: if it is torn or edited; the text says which.
        NewerStore: if it is whole, and of a schema version that this program does not know.
    """
    try:
        text = b"".join(blocks(f"{folder}/{NAME}"))
        content = from_json(text)  # in half the time of json.loads
        stated = content.pop("digest")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{NAME} is torn") from None
    if not (_is_spelled(text, stated) or digest(content) == stated):
        raise ValueError(f"{NAME} does not match its own digest")
    if content["schema_version"] != SCHEMA_VERSION:
        raise NewerStore(
            f"{folder}/{NAME}: schema_version is {content['schema_version']}, this program reads up to "
            f"{SCHEMA_VERSION}. Update harness, or choose another store with --store."
        )
    return Manifest(**content)


def _is_spelled(text: bytes, stated: object) -> bool:
    """Whether a manifest is, to the byte, as it is written now; others may still be whole."""
    content = text.removesuffix(b"\n").replace(f'"digest":"{stated}",'.encode(), b"", 1)
    return hashlib.sha256(content).hexdigest() == stated


def mismatches(folder: Path | str, manifest: Manifest) -> Iterator[str]:
    """Every way in which the files differ from what the manifest states."""
    there = dict(_files(str(folder), ""))
    for name, stated in manifest.files.items():
        if name not in there:
            yield f"{name} is missing"
        elif _described(there[name]) != stated:
            yield f"{name} does not match its digest"
    for name in sorted(set(there) - set(manifest.files) - {NAME}):
        yield f"{name} is not in the manifest"
