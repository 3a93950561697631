"""An artifact is there whole or not at all, and every change to it is found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import CorruptArtifact, StoreError
from harness.store.keys import Identity, canonical, digest
from harness.store.local import HOST, LocalStore
from harness.store.manifest import NAME

IDENTITY = Identity("pairs", "abc", 1, {"seed": 0}, {"scores": "def"})


def make(store: LocalStore, text: str = "hello") -> Path:
    with store.create(IDENTITY) as draft:
        (draft.folder / "sub").mkdir()
        (draft.folder / "rows.jsonl").write_text(text)
        (draft.folder / "sub" / "more.txt").write_text("more")
        draft.cost = {"wall_s": 1.5}
        draft.provenance = {"device": "cpu"}
    return store.folder("pairs", "abc")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "store")
    store.prepare()
    return store


def test_commit_and_read(store: LocalStore) -> None:
    assert not store.has("pairs", "abc")
    make(store)
    assert store.has("pairs", "abc")
    assert (store.open("pairs", "abc") / "rows.jsonl").read_text() == "hello"
    manifest = store.manifest("pairs", "abc")
    assert (manifest.params, manifest.inputs, manifest.cost) == (
        {"seed": 0},
        {"scores": "def"},
        {"wall_s": 1.5},
    )
    assert set(manifest.files) == {"rows.jsonl", "sub/more.txt"}
    assert list((store.root / "scratch").iterdir()) == []


def test_a_failed_task_leaves_nothing(store: LocalStore) -> None:
    def fail() -> None:
        with store.create(IDENTITY) as draft:
            (draft.folder / "rows.jsonl").write_text("half")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        fail()
    assert not store.has("pairs", "abc")
    assert list((store.root / "scratch").iterdir()) == []


def test_every_flipped_byte_is_found(store: LocalStore) -> None:
    """Flips one bit of each byte of each file, the manifest included, one at a time."""
    folder = make(store)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for position in range(len(whole)):
            flipped = bytearray(whole)
            flipped[position] ^= 1
            path.write_bytes(bytes(flipped))
            with pytest.raises(CorruptArtifact) as caught:
                LocalStore(store.root).open("pairs", "abc")
            assert path.name in str(caught.value) or "schema version" in str(caught.value)
        path.write_bytes(whole)
    LocalStore(store.root).open("pairs", "abc")


def test_missing_and_extra_files_are_found(store: LocalStore) -> None:
    folder = make(store)
    (folder / "extra").write_text("")
    with pytest.raises(CorruptArtifact, match="extra is not in the manifest"):
        store.open("pairs", "abc")
    (folder / "extra").unlink()
    (folder / "rows.jsonl").unlink()
    with pytest.raises(CorruptArtifact, match=r"rows\.jsonl is missing"):
        store.open("pairs", "abc")


def test_discarded_artifacts_are_gone_and_can_be_made_again(store: LocalStore) -> None:
    make(store)
    store.open("pairs", "abc")
    store.discard("pairs", "abc")
    assert not store.has("pairs", "abc")
    make(store, "other")
    assert (store.open("pairs", "abc") / "rows.jsonl").read_text() == "other"


def test_a_folder_without_manifest_is_replaced(store: LocalStore) -> None:
    """As after a loss of power between the removal of a manifest and that of its folder."""
    folder = make(store)
    (folder / NAME).unlink()
    assert not store.has("pairs", "abc")
    make(store, "again")
    assert (store.open("pairs", "abc") / "rows.jsonl").read_text() == "again"


def test_the_first_of_two_commits_stays(store: LocalStore) -> None:
    with store.create(IDENTITY) as slow:
        (slow.folder / "rows.jsonl").write_text("slow")
        make(store, "quick")
    assert (store.open("pairs", "abc") / "rows.jsonl").read_text() == "quick"


def test_prepare_sweeps_what_dead_processes_left(store: LocalStore) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    dead = store.root / "scratch" / f"pairs-abc-0.{HOST}.{int(done.stdout)}"
    alive = store.root / "scratch" / f"pairs-abc-0.{HOST}.{os.getpid()}"
    elsewhere = store.root / "scratch" / f"pairs-abc-0.other-host.{int(done.stdout)}"
    elsewhere.mkdir()
    dead.mkdir()
    alive.mkdir()
    store.prepare()
    assert (dead.exists(), alive.exists(), elsewhere.exists()) == (False, True, True)


def test_a_store_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"the store cannot be written: .* --store or HARNESS_STORE"):
        LocalStore(tmp_path / "file" / "store").prepare()


def test_canonical_json_has_one_spelling() -> None:
    """Key order and blanks do not count; 1 and 1.0 differ, as JSON tells them apart; NaN is refused."""
    assert canonical({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"\\u00e9"]}'
    assert digest({"a": 1, "b": 2}) == digest(json.loads('{"b": 2, "a": 1}'))
    assert digest(1) != digest(1.0)
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


def test_scratch_survives_a_failure_and_joins_the_artifact(store: LocalStore) -> None:
    """Files join; folders inside are dropped; nothing stays behind."""

    def attempt(fail: bool) -> list[str]:
        with store.create(IDENTITY) as draft:
            found = sorted(path.name for path in draft.scratch.iterdir())
            (draft.scratch / "marks").mkdir(exist_ok=True)
            (draft.scratch / "half").write_text("kept")
            (draft.folder / "rest").write_text("rest")
            if fail:
                raise RuntimeError("half-way")
            return found

    with pytest.raises(RuntimeError, match="half-way"):
        attempt(fail=True)
    store.prepare()
    assert attempt(fail=False) == ["half", "marks"]
    assert set(store.manifest("pairs", "abc").files) == {"half", "rest"}
    assert list((store.root / "partial" / "pairs").iterdir()) == []


def test_scratch_is_for_one_process_at_a_time(store: LocalStore) -> None:
    """Who comes second gets an empty folder of its own, which goes with it."""
    with store.create(IDENTITY) as first:
        (first.scratch / "half").write_text("of the first")
        with store.create(IDENTITY) as second:
            assert list(second.scratch.iterdir()) == []
            (second.scratch / "half").write_text("of the second")
    assert (store.open("pairs", "abc") / "half").read_text() == "of the second"
    assert list((store.root / "scratch").iterdir()) == []


def test_an_unused_scratch_leaves_no_trace(store: LocalStore) -> None:
    with store.create(IDENTITY) as draft:
        (draft.folder / "rows.jsonl").write_text("")
        assert not (store.root / "partial").exists()
        assert list(draft.scratch.iterdir()) == []
    assert list((store.root / "partial" / "pairs").iterdir()) == []


def test_prepare_sweeps_the_scratch_of_what_is_whole(store: LocalStore) -> None:
    """As after a kill between commit and tidying up."""
    make(store)
    whole, open_ = (store.root / "partial" / "pairs" / key for key in ("abc", "def"))
    whole.mkdir(parents=True)
    open_.mkdir()
    store.prepare()
    assert (whole.exists(), open_.exists()) == (False, True)
