"""Rows of local files: JSONL, JSON, CSV (each also .gz) and Parquet. Nothing in a file is ever executed."""

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from harness.errors import BadInput

Numbered = tuple[int, dict[str, Any] | str]
"""Number of the line (of a CSV record its last), else of the row, from 1; and the row, or why it is none."""

MAX_LINE = 10_000_000
"""Bytes of one line. Far more than any response has, far less than memory holds."""
MAX_DOCUMENT = 1_000_000_000
"""Bytes of one JSON array, which must be read as a whole."""

NOT_JSON = "the line is not JSON"
NOT_UTF8 = "the line is not UTF-8"
NOT_OBJECT = "the line is not an object"
TOO_LONG = f"the line is longer than {MAX_LINE:,} bytes"
EXTRA_CELLS = "the line has more cells than columns"


def file_rows(path: Path) -> Iterator[Numbered]:
    """Every row of a file in its order, one at a time.

    Raises:
        BadInput: the file's kind is not known, or it cannot be read on.
    """
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in _KINDS:
        raise BadInput(f"{path}: the kind of file is not known. Known: {', '.join(_KINDS)}, and .gz of them.")
    with _readable(path) as file:
        yield from _KINDS[suffix](path, file)


@contextmanager
def _readable(path: Path) -> Iterator[BinaryIO]:
    """The file, unpacked where it is packed; what goes wrong while it is read is one sentence."""
    try:
        packed = path.name.lower().endswith(".gz")
        with gzip.open(path) if packed else path.open("rb") as file:
            yield file  # type: ignore[misc]
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such file. Correct the path.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise BadInput(f"{path}: the packed file is damaged or cut off. Fetch it again.") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}. Correct it.") from None


def _json(path: Path, file: BinaryIO) -> Iterator[Numbered]:
    """One array, or, as in many files called .json, one object a line."""
    start = file.read(1024).removeprefix(codecs.BOM_UTF8).lstrip()
    file.seek(0)
    return _array(path, file) if start.startswith(b"[") else _lines(path, file)


def _array(path: Path, file: BinaryIO) -> Iterator[Numbered]:
    raw = file.read(MAX_DOCUMENT + 1)
    if len(raw) > MAX_DOCUMENT:
        raise BadInput(
            f"{path}: a JSON array has at most {MAX_DOCUMENT:,} bytes. Write one object a line (.jsonl)."
        )
    try:
        rows = json.loads(raw.removeprefix(codecs.BOM_UTF8).decode())
    except (ValueError, RecursionError):
        raise BadInput(
            f"{path}: begins like a JSON array but is none, or not in UTF-8. Correct it."
        ) from None
    return ((number, _object(row)) for number, row in enumerate(rows, start=1))


def _lines(path: Path, file: BinaryIO) -> Iterator[Numbered]:
    """One object a line; a bad line costs no other line, and blank lines are none."""
    for number, line in enumerate(_bounded_lines(file), start=1):
        if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise BadInput(f"{path}: is UTF-16. Save it as UTF-8.")
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if len(line) > MAX_LINE:
            yield number, TOO_LONG
        elif text.strip():
            yield number, _row(text)


def _bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """Each line, of which at most MAX_LINE + 1 bytes are kept."""
    while line := file.readline(MAX_LINE + 1):
        yield line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE + 1)


def _row(line: bytes) -> dict[str, Any] | str:
    try:
        return _object(json.loads(line.decode()))
    except UnicodeDecodeError:
        return NOT_UTF8
    except (ValueError, RecursionError):  # no JSON, or more digits or levels than Python reads
        return NOT_JSON


def _object(value: Any) -> dict[str, Any] | str:
    return value if isinstance(value, dict) else NOT_OBJECT


def _csv(path: Path, file: BinaryIO) -> Iterator[Numbered]:
    """Every cell is a text; a byte that is no UTF-8 becomes half a surrogate pair, which no row may hold."""
    with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.DictReader(text, strict=True)
        try:
            while (row := _csv_row(reader)) is not None:
                yield reader.line_num, EXTRA_CELLS if None in row else row
        except csv.Error as error:
            raise BadInput(
                f"{path}: line {reader.reader.line_num}: is not CSV: {error}. Correct it."
            ) from None


def _csv_row(reader: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    """The next row, its cells as long as lines may be: csv's limit is the whole process's, and put back."""
    limit = csv.field_size_limit(MAX_LINE)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(limit)


def _parquet(path: Path, file: BinaryIO) -> Iterator[Numbered]:
    import pyarrow.parquet

    try:
        batches = pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=1000)
        rows = (row for batch in batches for row in batch.to_pylist())
        yield from enumerate(rows, start=1)
    except (ValueError, OverflowError, pyarrow.ArrowException) as error:  # for one, dates of no calendar
        raise BadInput(f"{path}: is not Parquet that can be read: {error}. Fetch it again.") from None


_KINDS: dict[str, Callable[[Path, BinaryIO], Iterator[Numbered]]] = {
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}
