"""A loss of power: what was written and not flushed may be there or not, in any combination.

No order is assumed between two flushes. A file's bytes are certain as they were when the file was last
flushed, and a folder's names as they were when the folder was; a rename is a change of names.
"""

import os
import shutil
from pathlib import Path
from random import Random

HARMS = ("missing", "empty", "cut", "zeros", "hole")
"""Of names: all changes are missing. Of a file's new bytes: none arrived, half of them, or zeros for all or
half of them.
"""
ANY = "any"
"""Drawn for each file and folder: half of the time nothing, else one of them."""
ANY_OF = (*[None] * len(HARMS), *HARMS)


class Power:
    """Takes the place of `os.fsync`, and does the harm. A disk that lies has flushed nothing."""

    def __init__(self, lies: bool = False) -> None:
        self._lies = lies
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._held: list[int] = []

    def fsync(self, file: int) -> None:
        """Note what is certain from now on."""
        if self._lies:
            return
        inode, path = os.fstat(file).st_ino, Path(os.readlink(f"/proc/self/fd/{file}"))
        if inode not in self._bytes and inode not in self._names:
            self._held.append(os.dup(file))  # no other file gets its inode
        if path.is_dir():
            self._names[inode] = {name: _inode(path / name) for name in os.listdir(path)}
        else:
            self._bytes[inode] = path.read_bytes()

    def release(self) -> None:
        """Close what is held."""
        for file in self._held:
            os.close(file)

    def lose(self, folder: Path, harm: str, random: Random) -> None:
        """Harm all that is not certain below a folder, which itself is."""
        known = self._names.get(_inode(folder), {})
        for name in sorted({*known, *os.listdir(folder)}):
            path, what = folder / name, random.choice(ANY_OF) if harm == ANY else harm
            if what == "missing" and known.get(name) != (_inode(path) if path.exists() else None):
                self._put_back(path, known.get(name))
            elif path.is_dir():
                self.lose(path, harm, random)
            elif path.exists():
                content = path.read_bytes()
                left = _left(content, self._bytes.get(_inode(path), b""), what)
                if left != content:
                    path.write_bytes(left)

    def _put_back(self, path: Path, inode: int | None) -> None:
        """What had a name when its folder was last flushed, as far as it was flushed itself."""
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if inode in self._names:
            path.mkdir()
            for name, below in self._names[inode].items():
                self._put_back(path / name, below)
        elif inode in self._bytes:
            path.write_bytes(self._bytes[inode])


def _inode(path: Path) -> int:
    return path.stat().st_ino


def _left(content: bytes, flushed: bytes, what: str | None) -> bytes:
    """What is left of a file's bytes."""
    if content == flushed:
        return content
    if what == "empty":
        return flushed
    if what == "cut":
        return content[: max(len(flushed), len(content) // 2)]
    if what in ("zeros", "hole"):
        old = flushed.ljust(len(content), b"\0")
        new = [at for at in range(len(content)) if content[at] != old[at]]
        harmed = bytearray(content)
        for at in new if what == "zeros" else new[: len(new) // 2 + 1]:
            harmed[at] = 0
        return bytes(harmed)
    return content
