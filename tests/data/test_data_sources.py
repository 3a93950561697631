"""Files of every kind give the same rows; whatever is in them, a row, a reason or one sentence comes out."""

import contextlib
import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import sources
from harness.data.sources import file_rows
from harness.errors import BadInput

ROWS: list[dict[str, Any]] = [
    {"prompt": "Name a prime.", "chosen": "7", "rejected": "8"},
    {"prompt": "Zwei\nZeilen, \"so\" – 😀", "chosen": "042", "rejected": "true"},
]  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows as the file's name says; packed if it ends in .gz."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    packed = path.name.endswith(".gz")
    with (
        gzip.open(path, "wt", encoding="utf-8", newline="")
        if packed
        else path.open("w", encoding="utf-8", newline="") as file
    ):
        if name.endswith(".csv"):
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        elif name == "array.json":
            json.dump(rows, file, indent=1)
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BadInput) as refused:
        list(file_rows(path))
    (problem,) = refused.value.problems
    assert problem.startswith(f"{path}: ")
    assert "\n" not in problem
    return problem.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "name",
    ["a.jsonl", "a.jsonl.gz", "A.JSONL", "a.ndjson", "lines.json", "array.json", "array.json.gz", "a.csv",
     "a.csv.gz", "a.parquet"],
)  # fmt: skip
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    """The second CSV record begins in line 3 and, with its line break, ends in line 4; "042" stays a text."""
    numbers = (2, 4) if ".csv" in name else (1, 2)
    assert list(file_rows(write(tmp_path / name, ROWS))) == list(zip(numbers, ROWS, strict=True))


def test_a_bad_line_costs_no_other_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    deep = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    long = b'{"a": "' + b"x" * (2 * sources.MAX_LINE) + b'"}'
    lines = [
        b'\xef\xbb\xbf{"a": 1}', b"", b'{"a": ', b"[1]", b'"the line is not JSON"', b"\xff", b'{"a": "\0"}',
        deep, b'{"a": ' + b"9" * 5000 + b"}", long, b'{"a": NaN}', b'{"a": 2}',
    ]  # fmt: skip
    path.write_bytes(b"\n".join(lines))
    read = list(file_rows(path))
    assert [(number, row) for number, row in read if number != 11] == [
        (1, {"a": 1}),
        (3, sources.NOT_JSON),
        (4, sources.NOT_OBJECT),
        (5, sources.NOT_OBJECT),
        (6, sources.NOT_UTF8),
        (7, sources.NOT_JSON),
        (8, sources.NOT_JSON),
        (9, sources.NOT_JSON),
        (10, sources.TOO_LONG),
        (12, {"a": 2}),
    ]
    assert len(read) == 11


def test_the_longest_line_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its line break the first line has 16 bytes, the second 17."""
    monkeypatch.setattr(sources, "MAX_LINE", 16)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": "1234567"}\n{"a": "12345678"}\n{}\n')
    assert list(file_rows(path)) == [(1, sources.TOO_LONG), (2, sources.TOO_LONG), (3, {})]
    path.write_bytes(b'{"a": "123456"}\n{}')
    assert list(file_rows(path)) == [(1, {"a": "123456"}), (2, {})]


def test_csv_cells_that_do_not_fit_the_header(tmp_path: Path) -> None:
    """A spare cell is a reason, a missing one is null, and a byte that is no UTF-8 is left to its column."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"prompt,chosen\na,b,c\nd\ne,\xff\n")
    assert list(file_rows(path)) == [
        (2, sources.EXTRA_CELLS),
        (3, {"prompt": "d", "chosen": None}),
        (4, {"prompt": "e", "chosen": "\udcff"}),
    ]


def test_csv_cells_are_as_long_as_lines_may_be(tmp_path: Path) -> None:
    """The limit of 131,072 characters is the whole process's: other readers keep it, between our rows too."""
    limit = csv.field_size_limit()
    path = write(tmp_path / "a.csv", [{"prompt": "x" * 200_000}] * 2)
    for _, row in file_rows(path):
        assert isinstance(row, dict)
        assert len(row["prompt"]) == 200_000
        assert csv.field_size_limit() == limit
    path.write_text(f"prompt\n{'x' * (sources.MAX_LINE + 1)}\n")
    assert (
        refusal(path)
        == f"line 2: is not CSV: field larger than field limit ({sources.MAX_LINE}). Correct it."
    )
    assert csv.field_size_limit() == limit


PACKED = gzip.compress(b'{"a": 1}\n' * 1000, mtime=0)  # without a time, which would be in the test's name


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl.gz", PACKED[:-20], "the packed file is damaged or cut off"),
        ("a.jsonl.gz", b'{"a": 1}\n', "the packed file is damaged or cut off"),
        ("a.jsonl", '{"a": 1}\n'.encode("utf-16"), "is UTF-16. Save it as UTF-8."),
        ("a.json", b'[{"a": 1}', "begins like a JSON array but is none"),
        ("a.json", b"[" * 100_000, "begins like a JSON array but is none"),
        ("a.csv", b'prompt,chosen\na,"b\nc,d\n', "line 3: is not CSV: unexpected end of data."),
        ("a.parquet", b"PAR1 not", "is not Parquet that can be read"),
        ("a.parquet", b"", "is not Parquet that can be read"),
        ("a.pkl", b"", "the kind of file is not known. Known: .jsonl, .ndjson, .json, .csv, .parquet, "),
    ],
)  # fmt: skip
def test_what_cannot_be_read_on_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(words)


def test_a_place_without_a_file_is_one_sentence(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.jsonl") == "there is no such file. Correct the path."
    (tmp_path / "folder.jsonl").mkdir()
    assert refusal(tmp_path / "folder.jsonl") == "cannot be read: Is a directory. Correct it."


def test_texts_of_a_parquet_file_that_are_no_utf8_are_one_sentence(tmp_path: Path) -> None:
    binary = pa.array([b"a", b"\xff"], pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 2, binary.buffers())
    pq.write_table(pa.table({"prompt": broken}), tmp_path / "a.parquet")
    assert refusal(tmp_path / "a.parquet").startswith("is not Parquet that can be read: 'utf-8' codec can't")


def test_a_date_of_no_calendar_is_one_sentence(tmp_path: Path) -> None:
    pq.write_table(pa.table({"when": pa.array([2**62], pa.timestamp("us"))}), tmp_path / "a.parquet")
    assert refusal(tmp_path / "a.parquet").startswith("is not Parquet that can be read: date value out of")


@settings(max_examples=150)
@given(
    st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.parquet", "a.jsonl.gz", "a.csv.gz"]),
    st.binary(max_size=200) | st.text('{}[]",:a1\n\\ \ud800', max_size=60).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    ),
)  # fmt: skip
def test_any_bytes_are_rows_reasons_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    with contextlib.suppress(BadInput):
        for number, row in file_rows(path):
            assert number >= 1
            assert isinstance(row, dict | str)
