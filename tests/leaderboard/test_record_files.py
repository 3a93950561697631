"""Records survive the way through a file, and what is wrong with a file is said in one sentence."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from synthetic_records import WIN_RATE, items, record

from harness.errors import BadInput
from harness.leaderboard.record import Record, read_records, write_record


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    written = record(
        items={"z": items({"p": [None]}), WIN_RATE: items({"é": [0.1 + 0.2, None], "b": [100.0]})},
        declared={"depth": {"kind": "uniform"}},
        training={"history": [0.6931471805599453, 1.0]},
    )
    write_record(tmp_path, written)
    assert read_records(tmp_path) == [written]


def test_a_record_without_a_gpu_is_the_one_of_before_gpus_were_measured(tmp_path: Path) -> None:
    """The field is written where there is a value only, so that older records are the same bytes anew."""
    first = write_record(tmp_path / "cpu", record())
    assert "peak_device_bytes" not in first.read_text()
    (task,) = record().tasks
    assert task.cost.peak_device_bytes is None
    measured = task.cost.model_copy(update={"peak_device_bytes": 2**33})
    known = record(tasks=[task.model_copy(update={"cost": measured})])
    second = write_record(tmp_path / "gpu", known)
    assert '"peak_device_bytes": 8589934592' in second.read_text()
    assert read_records(tmp_path / "gpu") == [known]


def test_writing_twice_gives_the_same_bytes_and_no_leftovers(tmp_path: Path) -> None:
    rows = {"z": items({"p": [1.0]}), "a": items({"p": [1.0]})}
    path = write_record(tmp_path, record(items=rows))
    first = path.read_bytes()
    write_record(tmp_path, record(items=dict(reversed(rows.items()))))
    assert path.read_bytes() == first
    assert first.endswith(b"}\n")
    assert [file.name for file in tmp_path.iterdir()] == ["dpo.0.json"]


def test_a_changed_judgment_is_one_changed_line(tmp_path: Path) -> None:
    before = write_record(
        tmp_path / "a", record(items={WIN_RATE: items({"p0": [1.0], "p1": [2.0], "p2": [3.0]})})
    )
    after = write_record(
        tmp_path / "b", record(items={WIN_RATE: items({"p0": [1.0], "p1": [9.0], "p2": [3.0]})})
    )
    lines = zip(before.read_text().splitlines(), after.read_text().splitlines(), strict=True)
    changed = [(old.strip(), new.strip()) for old, new in lines if old != new]
    assert changed[0] == ("[2],", "[9],")
    assert [old.partition(":")[0] for old, _ in changed[1:]] == ['"digest"']


@pytest.mark.parametrize("method", ["../../up", "a/b", "con|x", "..", "ü"])
def test_a_method_name_cannot_leave_the_folder(tmp_path: Path, method: str) -> None:
    path = write_record(tmp_path / "records", record(method))
    assert path.resolve().parent == (tmp_path / "records").resolve()
    assert read_records(tmp_path / "records")[0].method == method


def test_records_come_in_the_order_of_the_recipe(tmp_path: Path) -> None:
    for method, replicate, order in [("a", 1, 2), ("a", 0, 2), ("z", 0, 1)]:
        write_record(tmp_path, record(method, replicate, order=order))
    assert [(one.method, one.replicate) for one in read_records(tmp_path)] == [("z", 0), ("a", 0), ("a", 1)]


def rewritten(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text())
    assert count == 1
    path.write_text(text)


def test_an_edited_record_is_refused(tmp_path: Path) -> None:
    rewritten(write_record(tmp_path, record()), r"100, 0\]", "100, 100]")
    with pytest.raises(
        BadInput, match=r"dpo\.0\.json: does not match its digest; it was edited or damaged\."
    ):
        read_records(tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 200, -3])
def test_a_truncated_record_is_refused(tmp_path: Path, keep: int) -> None:
    path = write_record(tmp_path, record())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadInput, match="is not complete JSON"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"3",
        b"\xff\xfe",
        b"{}",
        b'{"schema_version": 1}',
        b'{"pairs": NaN}',
        b'{"pairs": 1e999}',
        100_000 * b"[",
        b'{"training": ' + 100_000 * b"[" + 100_000 * b"]" + b"}",
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(BadInput, match=r"x\.json: .* Run the recipe again"):
        read_records(tmp_path)


def test_a_folder_named_like_a_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(BadInput, match=r"x\.json: cannot be read: Is a directory\. Delete it\."):
        read_records(tmp_path)


def test_a_place_that_takes_no_record_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("")
    with pytest.raises(BadInput, match=r"dpo\.0\.json: cannot be written: Not a directory\. Choose another"):
        write_record(tmp_path / "b" / "records", record())


def test_a_newer_record_asks_for_a_newer_program(tmp_path: Path) -> None:
    rewritten(write_record(tmp_path, record()), '"schema_version": 1', '"schema_version": 2')
    with pytest.raises(BadInput, match=r"schema_version is 2, this program reads up to 1\. Update harness\."):
        read_records(tmp_path)


def test_every_bad_file_gets_its_sentence(tmp_path: Path) -> None:
    write_record(tmp_path, record("good"))
    first = write_record(tmp_path, record("twice"))
    (tmp_path / "zcopy.json").write_bytes(first.read_bytes())
    (tmp_path / "half.json").write_text("{")
    with pytest.raises(BadInput) as caught:
        read_records(tmp_path)
    assert len(caught.value.problems) == 2
    assert "half.json" in caught.value.problems[0]
    assert "zcopy.json: method 'twice' has replicate 0 already in twice.0.json" in caught.value.problems[1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("surprise", 1),
        ("replicate", "0"),
        ("pairs", -1),
        ("pairs", 1.5),
        ("fixed", {}),
        ("fixed", {"seeds": {"vary": "pool"}}),
        ("fixed", {"seeds": {"vary": [3]}}),
        ("fixed", {"seeds": 3}),
        ("items", {"m": {"ids": ["a"], "values": []}}),
        ("items", {"m": {"ids": ["a", "a"], "values": [[1.0], [1.0]]}}),
        ("items", {"m": {"ids": ["a"], "values": [[float("nan")]]}}),
        ("tasks", 2 * [record().tasks[0].model_dump()]),
    ],
)
def test_a_record_holds_only_what_it_should(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Record.model_validate(record().model_dump() | {field: value})


def test_a_wrong_field_is_named(tmp_path: Path) -> None:
    """A file with a good digest but a field of the wrong type, as another program might write it."""
    content = record().model_dump() | {"pairs": "many"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    (tmp_path / "odd.json").write_text(json.dumps(content | {"digest": digest}))
    with pytest.raises(BadInput, match=r"odd\.json: pairs: Input should be a valid integer"):
        read_records(tmp_path)
