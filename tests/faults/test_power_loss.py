"""Power is lost right after something was said to be done: it stays done. See `power.py`."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np
import pytest
from power import ANY, HARMS, Power

from harness.disk import make_folder, write_flushed
from harness.endpoints.journal import Claim, Journal
from harness.leaderboard.files import write_whole
from harness.store.columns import Columns
from harness.store.keys import Identity
from harness.store.local import LocalStore

EACH = pytest.mark.parametrize("harm", [*HARMS, ANY])
ROWS = np.arange(1, 13, dtype=np.float32).reshape(6, 2)
HEADER = 128


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Iterator[Power]:
    """Notes what is flushed from now on."""
    power = Power()
    monkeypatch.setattr(os, "fsync", power.fsync)
    yield power
    power.release()


@pytest.mark.parametrize(
    ("harm", "left"),
    [
        ("missing", b"first\nsecond\n"),
        ("empty", b"first\n"),
        ("cut", b"first\n"),
        ("zeros", b"first\n" + bytes(7)),
        ("hole", b"first\n" + bytes(4) + b"nd\n"),
    ],
)
def test_what_is_not_flushed_is_lost(harm: str, left: bytes, power: Power, tmp_path: Path) -> None:
    """Of two lines the first was flushed, with the file's name; of another file nothing was."""
    path, other = tmp_path / "lines", tmp_path / "other"
    write_flushed(path, "first\n")
    with path.open("a") as file:
        file.write("second\n")
    other.write_text("x")
    power.lose(tmp_path, harm, Random(1))
    assert path.read_bytes() == left
    assert other.exists() == (harm != "missing")
    assert not other.exists() or other.read_bytes() in (b"", b"\0")


def test_a_rename_that_was_not_flushed_is_undone(power: Power, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_flushed(path, "old")
    path.with_name("new").write_text("new")
    path.with_name("new").rename(path)
    power.lose(tmp_path, "missing", Random(1))
    assert path.read_text() == "old"


@EACH
def test_folders_and_flushed_files(harm: str, power: Power, tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    write_flushed(tmp_path / "a" / "b" / "file", "whole")
    power.lose(tmp_path, harm, Random(1))
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]
    assert (tmp_path / "a" / "b" / "file").read_text() == "whole"


@EACH
def test_a_piece_of_a_bank(harm: str, power: Power, tmp_path: Path) -> None:
    """Two of three pieces are done; the process died in the third."""
    store, shapes = LocalStore(tmp_path), {"rows.npy": (ROWS.shape, ROWS.dtype)}
    with suppress(KeyboardInterrupt), store.create(Identity("gradients", "abc", 1, {}, {})) as draft:
        folder = draft.scratch
        columns = Columns(folder, shapes)
        for start in (0, 2):
            columns.write(str(start), {"rows.npy": (start, ROWS[start : start + 2])}, "done")
        with (folder / "rows.npy").open("ab") as file:
            file.write(ROWS[4:].tobytes())
        raise KeyboardInterrupt
    power.lose(tmp_path, harm, Random(1))
    again = Columns(folder, shapes)
    assert [again.mark(str(start)) for start in (0, 2, 4)] == ["done", "done", None]
    assert (folder / "rows.npy").read_bytes()[HEADER:].startswith(ROWS[:4].tobytes())


@EACH
def test_an_artifact(harm: str, power: Power, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.prepare()
    with store.create(Identity("prompts", "abc", 1, {}, {})) as draft:
        (draft.folder / "sub").mkdir()
        (draft.folder / "sub" / "rows.jsonl").write_text("{}\n")
    power.lose(tmp_path, harm, Random(1))
    folder = LocalStore(tmp_path).open("prompts", "abc")
    assert (folder / "sub" / "rows.jsonl").read_text() == "{}\n"


@EACH
def test_a_paid_call(harm: str, power: Power, tmp_path: Path) -> None:
    """One is paid, for a quarter of the most that it can cost. The second's answer was written and not
    flushed: it is there, or it counts as lost, at its most.
    """
    path, second = tmp_path / "store" / "journal" / "model.jsonl", {"to": "two"}
    line = {"event": "paid", "key": "two", "usd": 1.0, "template": "plain-1", "answer": second}
    with Journal(path) as journal:
        for key in ("one", "two"):
            assert journal.claim(key, 1.0, None) is Claim.MINE
        journal.pay("one", 0.25, {"to": "one"}, "plain-1")
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        power.lose(tmp_path, harm, Random(1))
    with Journal(path) as journal:
        assert journal.find("one") == ({"to": "one"}, 0.25)
        assert journal.find("two") in (None, (second, 1.0))
        assert journal.spent_usd == 1.25
        assert journal.claim("three", 1.0, None) is Claim.MINE


@EACH
def test_a_file_of_a_board_is_the_new_one_or_the_old_one(harm: str, power: Power, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    write_flushed(path, "old")
    write_whole(path, "new")
    power.lose(tmp_path, harm, Random(1))
    assert path.read_text() in ("old", "new")
