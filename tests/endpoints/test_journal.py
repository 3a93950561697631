"""The journal keeps what was paid, whatever happens to the process or to the last line."""

import json
import os
from pathlib import Path

import pytest

from harness.endpoints.journal import Claim, Journal, journal_file
from harness.errors import StoreError

ANSWER = {"choices": [], "text": "naïve\nlines"}


def pay(journal: Journal, key: str, usd: float | None = 1.0) -> None:
    assert journal.claim(key, usd, None) is Claim.MINE
    journal.pay(key, usd, ANSWER, "plain-1")


def test_what_was_paid_is_found_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "a.jsonl"
    with Journal(path) as journal:
        assert journal.find("one") is None
        pay(journal, "one", 0.25)
        pay(journal, "two", None)
        assert journal.find("one") == (ANSWER, 0.25)
    with Journal(path) as journal:
        assert journal.find("one") == (ANSWER, 0.25)
        assert journal.find("two") == (ANSWER, None)
        assert journal.spent_usd == 0.25
        assert journal.claim("one", 1.0, None) is Claim.PAID
    assert [entry.name for entry in path.parent.iterdir()] == ["a.jsonl"]


def test_a_line_torn_anywhere_is_cut_off(tmp_path: Path) -> None:
    """The last line, which pays the second call, is cut at every fifth byte, and before its end. Then the
    first call is still there, and the second, whose claim stands, counts as lost and may be made again.
    """
    path = tmp_path / "a.jsonl"
    with Journal(path) as journal:
        pay(journal, "one")
        pay(journal, "two", 0.5)
    whole = path.read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for end in (*range(start, len(whole), 5), len(whole) - 1):
        path.write_bytes(whole[:end])
        with Journal(path) as journal:
            assert journal.find("one") == (ANSWER, 1.0)
            assert journal.find("two") is None
            assert journal.spent_usd == 1.5
            pay(journal, "two")
        assert all(json.loads(line) for line in path.read_text().splitlines())


def test_zeros_that_a_loss_of_power_left_are_passed_over(tmp_path: Path) -> None:
    """Of the last line, which pays the second call, a part or all is zeros; its claim stands, so that call
    counts as lost. A line follows that is whole.
    """
    path = tmp_path / "a.jsonl"
    with Journal(path) as journal:
        pay(journal, "one")
        pay(journal, "two", 0.5)
    whole = path.read_bytes()
    first, end = whole[:-1].rindex(b"\n") + 1, len(whole)
    free = b'{"event": "free", "key": "three", "usd": null}\n'
    for start, stop in ((first, end), (first, end - 1), (first + 9, end - 9), (end - 2, end - 1)):
        path.write_bytes(whole[:start] + bytes(stop - start) + whole[stop:] + free)
        for _ in range(2):
            with Journal(path) as journal:
                assert journal.find("one") == (ANSWER, 1.0)
                assert journal.find("two") is None
                assert journal.spent_usd == 1.5
        with Journal(path) as journal:
            pay(journal, "two")
        with Journal(path) as journal:
            assert journal.find("two") == (ANSWER, 1.0)


def test_a_line_torn_by_another_process_is_cut_off_by_who_comes_next(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Journal(path) as journal:
        pay(journal, "one")
        with path.open("ab") as file:
            file.write(b'{"event": "pa')
        pay(journal, "two")
    with Journal(path) as journal:
        assert journal.find("two") == (ANSWER, 1.0)


def test_a_strange_line_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Journal(path) as journal:
        pay(journal, "one")
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"[]\n")
    with pytest.raises(StoreError) as caught, Journal(path):
        pass
    assert str(caught.value) == f"{path}: no event of a journal at byte {size}. Mend or remove that line."


def test_two_readers_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Journal(path) as one, Journal(path) as other:
        assert one.claim("a", 3.0, 5.0) is Claim.MINE
        assert other.claim("a", 3.0, 5.0) is Claim.WAIT  # the same call
        assert other.claim("b", 3.0, 5.0) is Claim.WAIT  # 3 are set aside, of which some may come back
        assert other.claim("b", 6.0, 5.0) is Claim.BROKE  # never
        one.pay("a", 1.0, ANSWER, "plain-1")
        assert other.claim("a", 3.0, 5.0) is Claim.PAID
        assert other.claim("b", 3.0, 5.0) is Claim.MINE
        other.lose("b", 3.0)
        assert one.claim("c", 1.0, 5.0) is Claim.MINE
        one.free("c")
        assert one.claim("c", 2.0, 5.0) is Claim.BROKE
        assert one.spent_usd == 4.0


def test_claims_of_who_is_gone_count_as_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Journal(path) as one:
        with Journal(path) as other:
            assert other.claim("a", 2.0, None) is Claim.MINE
        assert one.claim("a", 2.0, 4.0) is Claim.MINE
        assert one.spent_usd == 2.0


def test_signs_of_who_was_killed_are_swept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Journal(path):
        pass
    dead = tmp_path / "a.jsonl.0123456789ab.alive"
    dead.touch()
    with Journal(path) as journal:
        pay(journal, "one")
        with Journal(path):
            assert len(list(tmp_path.glob("*.alive"))) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_sums_of_floats_do_not_break_a_budget(tmp_path: Path) -> None:
    """0.1 + 0.1 + 0.1 is more than 0.3 in binary floats; three calls of a dime fit into it."""
    with Journal(tmp_path / "a.jsonl") as journal:
        for key in "abc":
            assert journal.claim(key, 0.1, 0.3) is Claim.MINE
            journal.pay(key, 0.1, ANSWER, "plain-1")
        assert journal.claim("d", 0.1, 0.3) is Claim.BROKE


def test_a_full_disk_is_said_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    write = os.write
    with Journal(path) as journal:
        pay(journal, "one")
        monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:10]))
        with pytest.raises(StoreError, match="the journal cannot be written: the disk is full"):
            journal.claim("two", 1.0, None)
        monkeypatch.undo()
        pay(journal, "three")
    with Journal(path) as journal:
        assert journal.find("three") == (ANSWER, 1.0)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("")
    with (
        pytest.raises(StoreError, match="the journal cannot be opened"),
        Journal(tmp_path / "folder" / "a.jsonl"),
    ):
        pass


def test_each_model_has_a_file_of_its_own() -> None:
    names = [journal_file(Path(), name).name for name in ("gpt-4o-2024-08-06", "a/b", "a:b", "a-b")]
    assert names[0] == "gpt-4o-2024-08-06.jsonl"
    assert len(set(names)) == 4
