"""A disk that is full, for real: a file system in memory of one megabyte (fixture `disk`)."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import fill

from harness.disk import is_full
from harness.endpoints.journal import Journal
from harness.engines.local import LocalEngine
from harness.errors import DiskFull, StoreError
from harness.plan.task import Task
from harness.store.columns import Columns
from harness.store.local import LocalStore

LARGER = 4 << 20


def work(task: Task, root: Path, progress: Callable[[int, int], None]) -> bool:
    """Write as many bytes as the task says, in a way that hides why it fails, as some libraries do."""
    store = LocalStore(root)
    with store.claim(task.stage, task.key), store.create(task.identity) as draft:
        try:
            (draft.folder / "bytes").write_bytes(bytes(task.params["bytes"]))
        except OSError:
            raise RuntimeError("PytorchStreamWriter failed") from None
    return True


def run(store: LocalStore, tasks: list[Task]) -> int:
    return len(LocalEngine(store, work, 1).run(tasks, lambda event: None).done)


def test_a_run_stops_with_one_sentence_and_the_next_goes_on(disk: Path) -> None:
    """Of two tasks of 0.6 MB the second has no room, and the third is not begun; then there is room."""
    store = LocalStore(disk / "store")
    store.prepare()
    first, second = (Task("prompts", {"bytes": 600_000, "n": n}, {}) for n in range(2))
    small = Task("prompts", {"bytes": 1}, {})
    with pytest.raises(DiskFull, match=r"the disk is full\. Finished tasks .* are kept: make room") as caught:
        run(store, [first, second, small])
    assert len(str(caught.value).splitlines()) == 1
    assert store.open(first.stage, first.key)
    assert not store.has(small.stage, small.key)
    assert not list((store.root / "scratch").glob("*/*"))
    subprocess.run(["mount", "-o", f"remount,size={LARGER}", str(disk)], check=True)
    assert run(store, [first, second, small]) == 2


def test_no_room_for_the_store_itself(disk: Path) -> None:
    filler = fill(disk)
    with pytest.raises(StoreError, match=r"the disk is full|cannot be written"):
        LocalStore(disk / "store").prepare()
    filler.unlink()
    LocalStore(disk / "store").prepare()


def test_a_store_that_became_read_only_is_said_before_anything_is_begun(disk: Path) -> None:
    store = LocalStore(disk / "store")
    store.prepare()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(
        StoreError, match=r"the store cannot be written: Read-only file system\. Choose another"
    ):
        store.prepare()
    with store.in_use():
        assert not store.has("prompts", "abc")


def test_a_piece_of_a_bank(disk: Path) -> None:
    """Two pieces of 0.6 MB: the first stays, and is found when there is room."""
    store = LocalStore(disk)
    store.prepare()
    task, rows = Task("gradients", {}, {}), np.ones((2, 75_000))

    def attempt() -> list[object]:
        with store.claim(task.stage, task.key), store.create(task.identity) as draft:
            columns = Columns(draft.scratch, {"a.npy": (rows.shape, rows.dtype)})
            marks = [columns.mark(str(n)) for n in range(2)]
            for n in range(2):
                if marks[n] is None:
                    columns.write(str(n), {"a.npy": (n, rows[n : n + 1])}, "there")
            return marks

    with pytest.raises(DiskFull, match="whole pieces of unfinished ones are kept"):
        attempt()
    subprocess.run(["mount", "-o", f"remount,size={LARGER}", str(disk)], check=True)
    assert attempt() == ["there", None]
    np.testing.assert_array_equal(np.load(store.open(task.stage, task.key) / "a.npy"), rows)


def test_a_line_of_the_journal(disk: Path) -> None:
    with Journal(disk / "journal" / "model.jsonl") as journal:
        filler = fill(disk)
        with pytest.raises(StoreError, match="the journal cannot be written"):
            journal.claim("x" * 8192, 0.0, None)
        filler.unlink()
    with Journal(disk / "journal" / "model.jsonl") as journal:
        assert journal.claim("one more", 0.0, None).name == "MINE"


def test_what_libraries_say_of_a_full_disk_is_understood(tmp_path: Path) -> None:
    """Safetensors asks for all its room at once, so the disk is not full after it failed."""
    said = "Error while serializing: I/O error: No space left on device (os error 28)"
    assert is_full(RuntimeError(said), tmp_path)
    assert not is_full(RuntimeError("something else"), tmp_path)
    assert not is_full(RuntimeError("something else"), Path("/proc")), "it has no room at all, and needs none"
