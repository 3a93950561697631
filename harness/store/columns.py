"""Arrays written piece by piece into .npy files, so that work that is stopped goes on from its last piece."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness.disk import flush_one, make_folder, write_flushed
from harness.errors import StoreError
from harness.store.formats import read_matrix

Shape = tuple[int, ...]
MARKS = "pieces"


class Columns:
    """.npy files of known shapes in a folder, filled in any order.

    A piece counts once its mark is there, and the mark is written after the piece has reached the disk. So a
    process may be killed, and power be lost, at any time: what is marked is whole, and what is not is written
    again. Where a disk lies about what has reached it, the digest in the mark tells. The marks lie in a
    folder beside the files.
    """

    def __init__(self, folder: Path, shapes: Mapping[str, tuple[Shape, DTypeLike]]) -> None:
        """`shapes`: file name -> shape and dtype; the same each time that a folder is gone on with."""
        self._folder = folder
        self._shapes = {name: (shape, np.dtype(dtype)) for name, (shape, dtype) in shapes.items()}
        make_folder(folder / MARKS)

    def mark(self, piece: str) -> Any | None:
        """What was noted of a piece; None where it is not there, or its mark or its rows are not whole."""
        try:
            content = json.loads((self._folder / MARKS / piece).read_text())
            note, files = content["note"], content["files"]
            whole = all(self._digest(name, *rows) == stated for name, (*rows, stated) in files.items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return note if whole else None

    def write(self, piece: str, parts: Mapping[str, tuple[int, NDArray[Any]]], note: Any) -> None:
        """Write a piece: for each file the first row and the rows; then its mark with a note (JSON).

        Raises:
            StoreError: the disk is full, or refuses for another reason; pieces written before stay.
        """
        try:
            files = {name: self._put(name, start, rows) for name, (start, rows) in parts.items()}
            flush_one(self._folder)
            write_flushed(self._folder / MARKS / piece, json.dumps({"note": note, "files": files}))
        except OSError as error:
            done = sum(1 for path in (self._folder / MARKS).iterdir() if path.suffix != ".torn")
            raise StoreError(
                f"{self._folder}: cannot be written: {error.strerror}. {done} pieces of the work are kept "
                "there: make room, and the same command goes on after them."
            ) from None

    def _put(self, name: str, start: int, rows: NDArray[Any]) -> tuple[int, int, str]:
        """Write rows; where they are, how many, and the digest that `_digest` will find."""
        shape, dtype = self._shapes[name]
        if rows.dtype != dtype or rows.shape[1:] != shape[1:] or start + len(rows) > shape[0]:
            raise ValueError(f"{name}: rows {rows.shape} of {rows.dtype} at {start} do not fit {shape}")
        path = self._folder / name
        header, content = _header(shape, dtype), rows.tobytes()
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.write(header)
            file.seek(len(header) + start * _row_bytes(shape, dtype))
            # Not a memory map: a full disk would then end the process (SIGBUS) with no word said.
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return start, len(rows), hashlib.sha256(header + content).hexdigest()

    def _digest(self, name: str, start: int, rows: int) -> str:
        """SHA-256 of a file's header and of some of its rows, in hex."""
        shape, dtype = self._shapes[name]
        row = _row_bytes(shape, dtype)
        with (self._folder / name).open("rb") as file:
            header = file.read(len(_header(shape, dtype)))
            file.seek(len(header) + start * row)
            return hashlib.sha256(header + file.read(rows * row)).hexdigest()


def join_matrices(path: Path, parts: Sequence[Path]) -> None:
    """Write arrays of one type one after the other, along their first axis: the bytes of one array in one go.

    They pass through the page cache, and need not fit into memory.
    """
    arrays = [read_matrix(part) for part in parts]
    with path.open("wb") as file:
        file.write(_header((sum(map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype))
        for array in arrays:
            file.write(np.ascontiguousarray(array).data)


def _row_bytes(shape: Shape, dtype: np.dtype[Any]) -> int:
    return int(np.prod(shape[1:])) * dtype.itemsize


def _header(shape: Shape, dtype: np.dtype[Any]) -> bytes:
    """The header of a .npy file, which is the same each time."""
    file = BytesIO()
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, fields)
    return file.getvalue()
