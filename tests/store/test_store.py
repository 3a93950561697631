"""An artifact is there whole or not at all, and every change to it is found."""

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.errors import CorruptArtifact, NewerStore, StoreError
from harness.store.keys import Identity, canonical, digest
from harness.store.local import LocalStore
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
    assert list((store.root / "scratch").glob("*/*")) == []


def test_a_failed_task_leaves_nothing(store: LocalStore) -> None:
    def fail() -> None:
        with store.create(IDENTITY) as draft:
            (draft.folder / "rows.jsonl").write_text("half")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        fail()
    assert not store.has("pairs", "abc")
    assert list((store.root / "scratch").glob("*/*")) == []


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
            assert path.name in str(caught.value)
        path.write_bytes(whole)
    LocalStore(store.root).open("pairs", "abc")


def test_a_manifest_of_another_spelling_is_whole_until_it_says_something_else(store: LocalStore) -> None:
    """As earlier versions indented it."""
    path = make(store) / NAME
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content, indent=1))
    assert store.manifest("pairs", "abc").params == {"seed": 0}
    path.write_text(json.dumps(content | {"missing": 1}, indent=1))
    with pytest.raises(CorruptArtifact, match="does not match its own digest"):
        store.manifest("pairs", "abc")


def test_missing_and_extra_files_are_found(store: LocalStore) -> None:
    folder = make(store)
    (folder / "extra").write_text("")
    with pytest.raises(CorruptArtifact, match="extra is not in the manifest"):
        store.open("pairs", "abc")
    (folder / "extra").unlink()
    (folder / "rows.jsonl").unlink()
    with pytest.raises(CorruptArtifact, match=r"rows\.jsonl is missing"):
        store.open("pairs", "abc")


def test_a_file_that_cannot_be_read_counts_as_damaged(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad sector: the file opens, and reading it fails. What may not be read is not damaged by that.

    The manifest has been read by then.
    """
    folder = make(store)
    manifest = store.manifest("pairs", "abc")
    monkeypatch.setattr(store, "manifest", lambda stage, key: manifest)

    def fail_with(number: int) -> None:
        def read(file: int, size: int) -> bytes:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "read", read)

    fail_with(errno.EIO)
    with pytest.raises(CorruptArtifact, match=rf"cannot be read: .*Input/output error: '{folder}/"):
        store.open("pairs", "abc")
    fail_with(errno.EACCES)
    with pytest.raises(PermissionError):
        store.open("pairs", "abc")
    monkeypatch.undo()
    assert store.open("pairs", "abc") == folder


def test_a_manifest_that_may_not_be_read_is_not_corrupt(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a store of another user: a run would take the artifact out."""
    make(store)

    def refuse(file: int, size: int) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "read", refuse)
    for read in (store.manifest, store.open):
        with pytest.raises(PermissionError):
            read("pairs", "abc")


def test_discarded_artifacts_are_gone_and_can_be_made_again(store: LocalStore) -> None:
    make(store)
    store.open("pairs", "abc")
    store.discard("pairs", "abc")
    assert not store.has("pairs", "abc")
    make(store, "other")
    assert (store.open("pairs", "abc") / "rows.jsonl").read_text() == "other"


def test_discarding_asks_whether_there_still_is_a_reason_while_it_holds_the_claim(store: LocalStore) -> None:
    make(store)
    store.discard("pairs", "abc", list)
    assert store.has("pairs", "abc")
    store.discard("pairs", "abc", lambda: store.is_claimed("pairs", "abc"))
    assert not store.has("pairs", "abc")


def test_a_folder_without_manifest_is_replaced(store: LocalStore) -> None:
    """As after a loss of power between the removal of a manifest and that of its folder."""
    folder = make(store)
    (folder / NAME).unlink()
    assert not store.has("pairs", "abc")
    make(store, "again")
    assert (store.open("pairs", "abc") / "rows.jsonl").read_text() == "again"


def test_what_a_newer_program_wrote_is_refused_and_stays(store: LocalStore) -> None:
    """The digest tells a newer version from a damaged one."""
    folder = make(store)
    content = json.loads((folder / NAME).read_text())
    del content["digest"]
    content |= {"schema_version": 2, "more": []}
    (folder / NAME).write_text(json.dumps(content | {"digest": digest(content)}))
    with pytest.raises(NewerStore, match=r"schema_version is 2, this program reads up to 1\. Update harness"):
        store.open("pairs", "abc")
    assert store.has("pairs", "abc")


def leave(store: LocalStore, *words: str) -> None:
    """A process that dies at work on pairs/abc, or (`words`: "alive") is about to, and waits for our word."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from harness.store.local import LocalStore; from harness.store.keys import Identity\n"
        "store = LocalStore(Path(sys.argv[1]))\n"
        "with store.claim('pairs', 'abc'), store.create(Identity('pairs', 'abc', 1, {}, {})) as draft:\n"
        "    (draft.folder / 'half').write_text('half'); (draft.scratch / 'kept').write_text('kept')\n"
        "    print('here', flush=True); sys.stdin.readline(); os._exit(9)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(store.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        if "alive" in words:
            store.prepare()
            assert (store.root / "scratch" / "pairs" / "abc" / "half").is_file()
            assert store.is_claimed("pairs", "abc")
            with store.claim("pairs", "abc", wait=False) as mine:
                assert not mine
            store.discard("pairs", "abc")
        process.communicate(b"\n")


def test_what_a_living_process_makes_is_left_alone(store: LocalStore) -> None:
    leave(store, "alive")


def test_a_claim_goes_with_its_process_and_its_work_is_swept_but_for_what_is_kept(store: LocalStore) -> None:
    leave(store)
    assert not store.is_claimed("pairs", "abc")
    store.prepare()
    assert list((store.root / "scratch" / "pairs").iterdir()) == []
    with store.claim("pairs", "abc"), store.create(IDENTITY) as draft:
        assert (draft.scratch / "kept").read_text() == "kept"
    assert set(store.manifest("pairs", "abc").files) == {"kept"}
    assert list((store.root / "claims").iterdir()) == []


def test_who_waits_for_a_claim_gets_it_and_no_two_have_it(store: LocalStore) -> None:
    """Four threads, fifty turns each, on a lock whose file comes and goes: a counter is never lost."""
    total, at_work = 0, 0

    def turns() -> None:
        nonlocal total, at_work
        for _ in range(50):
            with store.claim("pairs", "abc"):
                at_work += 1
                assert at_work == 1
                total += 1
                at_work -= 1

    with ThreadPoolExecutor(4) as threads:
        for turn in [threads.submit(turns) for _ in range(4)]:
            turn.result()
    assert total == 200
    assert list((store.root / "claims").iterdir()) == []


def test_a_store_is_used_together_or_alone(store: LocalStore) -> None:
    refused = pytest.raises(StoreError, match="a run is at work on this store")
    with store.in_use(), store.in_use(), refused, store.in_use(alone=True):
        pass
    with store.in_use(alone=True):
        pass


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


def test_scratch_joins_where_no_file_has_two_names(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some have no hard links (exFAT, SMB), and some none between folders (BeeGFS, AFS)."""

    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    with store.create(IDENTITY) as draft:
        (draft.scratch / "rows").write_text("kept")
    assert (store.open("pairs", "abc") / "rows").read_text() == "kept"


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
