"""A remembered digest is that of the file as it is now, or is not used."""

import json
import os
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from harness.store import digests
from harness.store.digests import NAME, Digests
from harness.store.keys import file_digest


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store beside which files are large from 4 bytes on, and settled at once."""
    monkeypatch.setattr(digests, "LARGE", 4)
    monkeypatch.setattr(digests, "SETTLED_S", -1.0)
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def weights(store: Path, content: str = "weights") -> Path:
    path = store.parent / "model.safetensors"
    path.write_text(content)
    return path


def asked(store: Path, path: Path) -> tuple[str, bool]:
    """A new process's answer, and whether it read the file."""
    known = Digests(store)
    with patch.object(digests, "file_digest", side_effect=file_digest) as read:
        found = known.of(path)
    known.keep()
    return found, read.called


def test_a_large_file_is_read_once(store: Path) -> None:
    path = weights(store)
    expected = file_digest(path)
    assert asked(store, path) == (expected, True)
    assert asked(store, path) == (expected, False)
    link = store.parent / "link"
    link.symlink_to(path)
    assert asked(store, link) == (expected, False)


def test_a_file_system_that_cannot_be_asked_to_flush(store: Path) -> None:
    path = weights(store)
    with patch.object(digests, "flush_one", side_effect=OSError(22, "Invalid argument")):
        assert asked(store, path) == (file_digest(path), True)
    assert asked(store, path) == (file_digest(path), False)


def test_a_small_file_is_read_each_time(store: Path) -> None:
    path = weights(store, "abc")
    assert [asked(store, path)[1] for _ in range(2)] == [True, True]
    assert list(store.iterdir()) == []


def test_whatever_changes_a_weight_is_seen(store: Path) -> None:
    """Of the same size, and with the modification time set back; in place, or by another file's rename."""
    path = weights(store)
    before, then = asked(store, path)[0], path.stat()
    while path.stat().st_ctime_ns == then.st_ctime_ns:  # until the file system's clock has ticked
        path.write_text("weighty")
        os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert path.stat().st_mtime_ns == then.st_mtime_ns
    assert asked(store, path) == (file_digest(path), True)
    assert file_digest(path) != before
    other = store.parent / "other"
    other.write_text("WEIGHTS")
    os.utime(other, ns=(then.st_atime_ns, then.st_mtime_ns))
    other.replace(path)
    assert asked(store, path) == (file_digest(path), True)


def test_what_has_just_changed_is_not_remembered(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write within the same tick of the file system's clock would leave no trace."""
    monkeypatch.setattr(digests, "SETTLED_S", 60.0)
    path = weights(store)
    assert [asked(store, path)[1] for _ in range(2)] == [True, True]
    monkeypatch.setattr(time, "time", lambda: path.stat().st_ctime + 61)
    assert [asked(store, path)[1] for _ in range(2)] == [True, False]


def test_what_changes_while_it_is_read_is_not_remembered(store: Path) -> None:
    path = weights(store)

    def read(file: Path) -> str:
        found = file_digest(file)
        file.write_text("another")
        return found

    with patch.object(digests, "file_digest", side_effect=read):
        known = Digests(store)
        known.of(path)
        known.keep()
    assert asked(store, path) == (file_digest(path), True)


def test_every_changed_byte_of_what_is_remembered_is_found(store: Path) -> None:
    """A wrong digest would give wrong keys."""
    path = weights(store)
    expected, _ = asked(store, path)
    whole = (store / NAME).read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        (store / NAME).write_bytes(bytes(changed))
        assert Digests(store).of(path) == expected
    for content in ("", "[]", '{"files": 1, "digest": 2}', "[" * 5000, json.dumps({"files": {}})):
        (store / NAME).write_text(content)
        assert asked(store, path)[0] == expected


def test_nothing_is_made_where_there_is_no_store(store: Path) -> None:
    path = weights(store)
    store.rmdir()
    assert [asked(store, path)[1] for _ in range(2)] == [True, True]
    assert not store.exists()
