"""Arrays written piece by piece into .npy files, so that work that is stopped goes on from its last piece."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness.errors import StoreError
from harness.store.formats import read_matrix

Shape = tuple[int, ...]
MARKS = "pieces"


class Columns:
    """.npy files of known shapes in a folder, filled in any order.

    A piece counts once its mark is there, and the mark is written after the piece has reached the disk. So a
    process may be killed at any time: what is marked is whole, and what is not is written again. The marks
    lie in a folder beside the files.
    """

    def __init__(self, folder: Path, shapes: Mapping[str, tuple[Shape, DTypeLike]]) -> None:
        """`shapes`: file name -> shape and dtype; the same each time that a folder is gone on with."""
        self._folder = folder
        self._shapes = shapes
        (folder / MARKS).mkdir(exist_ok=True)

    def mark(self, piece: str) -> Any | None:
        """What was noted of a piece; None where the piece is not there."""
        path = self._folder / MARKS / piece
        return json.loads(path.read_text()) if path.is_file() else None

    def write(self, piece: str, parts: Mapping[str, tuple[int, NDArray[Any]]], note: Any) -> None:
        """Write a piece: for each file the first row and the rows; then its mark with a note (JSON).

        Raises:
            StoreError: the disk is full, or refuses for another reason; pieces written before stay.
        """
        try:
            for name, (start, rows) in parts.items():
                self._put(name, start, rows)
            mark = self._folder / MARKS / piece
            torn = mark.with_name(f"{piece}.torn")
            torn.write_text(json.dumps(note))
            torn.rename(mark)
        except OSError as error:
            done = sum(1 for path in (self._folder / MARKS).iterdir() if path.suffix != ".torn")
            raise StoreError(
                f"{self._folder}: cannot be written: {error.strerror}. {done} pieces of the work are kept "
                "there: make room, and the same command goes on after them."
            ) from None

    def _put(self, name: str, start: int, rows: NDArray[Any]) -> None:
        shape, dtype = self._shapes[name]
        if rows.dtype != dtype or rows.shape[1:] != shape[1:] or start + len(rows) > shape[0]:
            raise ValueError(f"{name}: rows {rows.shape} of {rows.dtype} at {start} do not fit {shape}")
        path = self._folder / name
        with path.open("r+b" if path.exists() else "w+b") as file:
            offset = _write_header(file, shape, np.dtype(dtype))
            file.seek(offset + start * int(np.prod(shape[1:])) * rows.dtype.itemsize)
            # Not a memory map: a full disk would then end the process (SIGBUS) with no word said.
            file.write(np.ascontiguousarray(rows).data)
            file.flush()
            os.fsync(file.fileno())


def join_matrices(path: Path, parts: Sequence[Path]) -> None:
    """Write arrays of one type one after the other, along their first axis: the bytes of one array in one go.

    They pass through the page cache, and need not fit into memory.
    """
    arrays = [read_matrix(part) for part in parts]
    with path.open("wb") as file:
        _write_header(file, (sum(map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype)
        for array in arrays:
            file.write(np.ascontiguousarray(array).data)


def _write_header(file: IO[bytes], shape: Shape, dtype: np.dtype[Any]) -> int:
    """Write the .npy header, which is the same each time, and return the offset of the first row."""
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, fields)
    return file.tell()
