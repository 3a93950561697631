"""What a store holds, told from its folders alone: no file is read, so a large store answers quickly."""

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from harness.store.cores import on_all_cores
from harness.store.local import LocalStore
from harness.store.manifest import NAME


class Entry(NamedTuple):
    """A folder where an artifact lies: its size in bytes, and when it was made (seconds since 1970).

    Where the manifest is missing it is `whole` no longer: a removal or a loss of power left it.
    """

    stage: str
    key: str
    bytes: int
    made: float
    whole: bool

    @property
    def name(self) -> str:
        """`stage/key`."""
        return f"{self.stage}/{self.key}"


def entries(root: Path, stages: Iterable[str]) -> Iterator[Entry]:
    """What lies in a store, stage by stage; what is no artifact (the journal, logs) is left out."""
    names = list(folder_names(root, stages))
    with on_all_cores(partial(_entry, str(root)), names) as found:
        yield from (entry for entry in found if entry is not None)


def folder_names(root: Path, stages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Stage and key of every folder where an artifact may lie; a whole one has a manifest."""
    for stage in stages:
        if (root / stage).is_dir():
            yield from ((stage, key) for key in sorted(os.listdir(root / stage)))


def folder_bytes(folder: str | Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    with os.scandir(folder) as found:
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                total += folder_bytes(entry.path)
            else:
                total += entry.stat(follow_symlinks=False).st_size
    return total


def with_inputs(store: LocalStore, keys: Iterable[str], there: Iterable[Entry]) -> set[str]:
    """These keys and those of all that their artifacts were made from, as far as the store holds them.

    Raises:
        CorruptArtifact, NewerStore: a manifest that must be read for it cannot be.
    """
    stages = {entry.key: entry.stage for entry in there if entry.whole}
    found: set[str] = set()
    left = set(keys)
    while left:
        key = left.pop()
        found.add(key)
        if key in stages:
            left |= set(store.manifest(stages[key], key).inputs.values()) - found
    return found


def _entry(root: str, name: tuple[str, str]) -> Entry | None:
    """None where no folder has this name, or has it no longer."""
    folder, total, made = f"{root}/{'/'.join(name)}", 0, None
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    total += folder_bytes(entry.path)
                    continue
                facts = entry.stat(follow_symlinks=False)
                total += facts.st_size
                if entry.name == NAME:
                    made = facts.st_mtime
        return Entry(*name, total, made or os.stat(folder).st_mtime, made is not None)
    except (FileNotFoundError, NotADirectoryError):
        return None
