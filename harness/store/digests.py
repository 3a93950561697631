"""Digests of large files outside the store, so that a model's weights are not read for each command.

A remembered digest counts only while the file is the one that was read: same device and inode, size,
modification time and change time, to the nanosecond. Programs can set the modification time back; the change
time is the kernel's own.
"""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.disk import flush_one
from harness.store.keys import digest, file_digest

NAME = "digests.json"
LARGE = 64 * 2**20
"""Bytes from which on a digest is remembered; smaller files are read at once."""
SETTLED_S = 60.0
"""A file that changed so shortly before is read each time: clocks of file systems are coarse, and differ."""


class Digests:
    """SHA-256 of files by their bytes; those of large ones are remembered in a store's folder.

    Nothing is made where there is no store, or it cannot be written, and what is torn or edited there is
    forgotten.
    """

    def __init__(self, store: Path) -> None:
        self._path = store / NAME
        self._known = _read(self._path)
        self._changed = False

    def of(self, path: Path) -> str:
        """A file's digest, in hex."""
        path = path.resolve()
        facts = _facts(path)
        if facts["size"] < LARGE:
            return file_digest(path)
        known = self._known.get(str(path), {})
        if {**facts, "sha256": known.get("sha256")} == known:
            return str(known["sha256"])
        began = time.time()
        with suppress(OSError):  # not every file system can be asked
            flush_one(path)  # or a loss of power could change what is remembered
        found = file_digest(path)
        if _facts(path) == facts and max(facts["mtime_ns"], facts["ctime_ns"]) / 1e9 < began - SETTLED_S:
            self._known[str(path)] = {**facts, "sha256": found}
            self._changed = True
        return found

    def keep(self) -> None:
        """Write down what was found, for the next command."""
        if not (self._changed and self._path.parent.is_dir()):
            return
        torn = self._path.with_name(f"{NAME}.{os.getpid()}")
        with suppress(OSError):
            torn.write_text(json.dumps({"files": self._known, "digest": digest(self._known)}))
            torn.replace(self._path)


def _facts(path: Path) -> dict[str, int]:
    there = path.stat()
    return {
        "device": there.st_dev,
        "inode": there.st_ino,
        "size": there.st_size,
        "mtime_ns": there.st_mtime_ns,
        "ctime_ns": there.st_ctime_ns,
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
        whole = content["digest"] == digest(content["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return dict(content["files"]) if whole else {}
