"""Records and boards on a disk that is full."""

from pathlib import Path

import pytest
from conftest import fill
from synthetic_records import record

from harness.errors import BadInput
from harness.leaderboard.board import write_board
from harness.leaderboard.record import read_records, write_record


def test_a_record_and_a_board(disk: Path) -> None:
    """What was there stays whole."""
    write_record(disk / "records", record("dpo"))
    write_board(disk)
    before = {path: path.read_bytes() for path in disk.rglob("*.*")}
    filler = fill(disk)
    for writing in (
        lambda: write_record(disk / "records", record("dpo", title="x" * 9000)),
        lambda: write_board(disk),
    ):
        with pytest.raises(BadInput, match="cannot be written: No space left on device") as caught:
            writing()
        assert len(caught.value.problems) == 1
    filler.unlink()
    assert {path: path.read_bytes() for path in disk.rglob("*.*")} == before
    assert [found.method for found in read_records(disk / "records")] == ["dpo"]
