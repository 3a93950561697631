"""Files and folders that outlive a loss of power; what is lost, and what is full, see `tests/faults/`."""

import os
from pathlib import Path

import pytest

from harness.disk import make_folder, write_flushed


def test_a_folder_is_made_with_all_above_it_and_may_be_there(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "a"):
        with pytest.raises(OSError, match=r"File exists|Not a directory"):
            make_folder(path)


def test_a_file_keeps_its_content_where_the_new_one_does_not_reach_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_flushed(path, "é")
    assert path.read_bytes() == "é".encode()

    def fail(file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        write_flushed(path, "new")
    assert path.read_text() == "é"
