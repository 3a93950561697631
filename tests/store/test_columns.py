"""Arrays written in pieces: any order, any interruption."""

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.errors import StoreError
from harness.store.columns import MARKS, Columns, Shape

SHAPES: dict[str, tuple[Shape, type]] = {"a.npy": ((5, 2), np.float16), "b.npy": ((5,), np.float32)}
A = np.arange(10, dtype=np.float16).reshape(5, 2)
B = np.arange(5, dtype=np.float32)


def write(columns: Columns, start: int, stop: int) -> None:
    rows = slice(start, stop)
    columns.write(f"{start}-{stop}", {"a.npy": (start, A[rows]), "b.npy": (start, B[rows])}, [start, stop])


@pytest.mark.parametrize("pieces", [[(0, 5)], [(0, 2), (2, 5)], [(3, 5), (0, 1), (1, 3)]])
def test_the_files_do_not_depend_on_pieces_nor_on_their_order(
    tmp_path: Path, pieces: list[tuple[int, int]]
) -> None:
    """They are what numpy writes, byte by byte, even over a torn first try."""
    (tmp_path / "a.npy").write_bytes(b"torn")
    for start, stop in pieces:
        write(Columns(tmp_path, SHAPES), start, stop)
    for name, whole in (("a.npy", A), ("b.npy", B)):
        np.save(tmp_path / "plain.npy", whole)
        assert (tmp_path / name).read_bytes() == (tmp_path / "plain.npy").read_bytes()


def test_marks_tell_what_is_there(tmp_path: Path) -> None:
    write(Columns(tmp_path, SHAPES), 2, 5)
    columns = Columns(tmp_path, SHAPES)
    assert columns.mark("2-5") == [2, 5]
    assert columns.mark("0-2") is None


HEADER = 128
"""Bytes before the rows, of both files."""


def put(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / MARKS / "2-5").write_bytes(b""),
        lambda folder: cut(folder / MARKS / "2-5", 20),
        lambda folder: (folder / MARKS / "2-5").write_bytes(b"\0" * 200),
        lambda folder: (folder / MARKS / "2-5").write_text("[2, 5]"),
        lambda folder: (folder / MARKS / "2-5").write_text('{"note": 1, "files": 2}'),
        lambda folder: (folder / "a.npy").unlink(),
        lambda folder: (folder / "b.npy").write_bytes(b""),
        lambda folder: cut(folder / "b.npy", HEADER + 4 * 4),
        lambda folder: put(folder / "b.npy", HEADER + 4 * 4, bytes(4)),
        lambda folder: put(folder / "a.npy", HEADER + 2 * 4, bytes(12)),
        lambda folder: put(folder / "a.npy", 0, bytes(HEADER)),
    ],
    ids=[
        "mark empty", "mark cut", "mark zeros", "mark of no piece", "odd mark", "file missing", "file empty",
        "last row cut off", "last row zeros", "rows zeros", "header zeros",
    ],
)  # fmt: skip
def test_a_piece_that_is_not_whole_is_not_there(harm: Callable[[Path], object], tmp_path: Path) -> None:
    """Rows 2 to 4 lose their mark or some of their bytes: they count as not written, and are written again.

    A row of the first file has 4 bytes, as has one of the second; a header has 128 (NEP 1: a multiple of 64).
    """
    columns = Columns(tmp_path, SHAPES)
    write(columns, 0, 2)
    write(columns, 2, 5)
    harm(tmp_path)
    again = Columns(tmp_path, SHAPES)
    assert again.mark("2-5") is None
    for start, stop in ((0, 2), (2, 5)):
        if again.mark(f"{start}-{stop}") is None:
            write(again, start, stop)
    for name, whole in (("a.npy", A), ("b.npy", B)):
        np.testing.assert_array_equal(np.load(tmp_path / name), whole)


def test_a_piece_stays_where_others_are_lost(tmp_path: Path) -> None:
    """The rows of one are zeros; that of the other is not asked for again."""
    columns = Columns(tmp_path, SHAPES)
    write(columns, 0, 2)
    write(columns, 2, 5)
    put(tmp_path / "b.npy", HEADER + 2 * 4, bytes(12))
    assert [columns.mark(piece) for piece in ("0-2", "2-5")] == [[0, 2], None]


def test_no_rows_at_all(tmp_path: Path) -> None:
    Columns(tmp_path, {"a.npy": ((0, 2), np.float16)}).write("0-0", {"a.npy": (0, A[:0])}, None)
    assert np.load(tmp_path / "a.npy").shape == (0, 2)


def test_rows_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    columns = Columns(tmp_path, SHAPES)
    for start, rows in ((4, A[:2]), (0, A[:, :1]), (0, A.astype(np.float32))):
        with pytest.raises(ValueError, match=r"a\.npy: rows .* do not fit"):
            columns.write("x", {"a.npy": (start, rows)}, None)
    assert columns.mark("x") is None


def test_a_full_disk_is_one_sentence_and_earlier_pieces_stay(tmp_path: Path) -> None:
    """The file may grow to 8 KiB: the first of two pieces of 6 KB fits, the second does not."""
    rows = np.ones((2000, 3), np.float16)
    columns = Columns(tmp_path, {"a.npy": ((2000, 3), np.float16)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        columns.write("0-1000", {"a.npy": (0, rows[:1000])}, "first")
        with pytest.raises(StoreError, match=r"cannot be written: .*\. 1 pieces of the work are kept there"):
            columns.write("1000-2000", {"a.npy": (1000, rows[1000:])}, "second")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    again = Columns(tmp_path, {"a.npy": ((2000, 3), np.float16)})
    assert (again.mark("0-1000"), again.mark("1000-2000")) == ("first", None)
    again.write("1000-2000", {"a.npy": (1000, rows[1000:])}, "second")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), rows)
