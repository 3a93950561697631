"""Kill a process before each thing that it does to the file system, one after another.

`python each_moment.py SUBJECT FOLDER [STRIDE [BASE]]`: for n = 0, STRIDE, 2 STRIDE, ... a child begins the
subject's work in a new folder and is killed (SIGKILL) before its n-th file event; what it left is looked at;
a second child does the work to its end; the result must be that of an unbroken run. Ends with the first n
that is never reached, and prints how many children were killed.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from harness.store.columns import Columns
from harness.store.keys import Identity, file_digest
from harness.store.local import LocalStore

ROOT = Path(__file__).parents[2]
EVENTS = ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.truncate")
ARTIFACT = Identity("gradients", "abc", 1, {}, {})
ROWS = np.arange(12, dtype=np.float32).reshape(6, 2)

Work = Callable[[Path], None]
Result = Callable[[Path], Any]


def make_artifact(folder: Path) -> None:
    """An artifact of a bank's pieces, which outlive the process, and of a file that does not."""
    store = LocalStore(folder)
    store.prepare()
    with store.claim(ARTIFACT.stage, ARTIFACT.key):
        if store.has(ARTIFACT.stage, ARTIFACT.key):
            return
        with store.create(ARTIFACT) as draft:
            columns = Columns(draft.scratch, {"rows.npy": (ROWS.shape, ROWS.dtype)})
            for start in (0, 3):
                if columns.mark(str(start)) is None:
                    columns.write(str(start), {"rows.npy": (start, ROWS[start : start + 3])}, "noted")
            (draft.folder / "result.json").write_text('{"result": 1}')


def artifact(folder: Path) -> Any:
    """The artifact's files by digest; None where it is not there. Half of one is an error."""
    store = LocalStore(folder)
    if not store.has(ARTIFACT.stage, ARTIFACT.key):
        return None
    place = store.open(ARTIFACT.stage, ARTIFACT.key)
    litter = [*folder.glob("scratch/*/*"), *folder.glob("partial/*/*"), *folder.glob("claims/*")]
    return {
        path.name: file_digest(path) for path in place.glob("*.*") if path.name != "manifest.json"
    }, litter


def discard(folder: Path) -> None:
    """An artifact that is taken out and made again."""
    if not (folder / "made").exists():
        make_artifact(folder)
        (folder / "made").touch()
    if not (folder / "out").exists():
        LocalStore(folder).discard(ARTIFACT.stage, ARTIFACT.key)
        (folder / "out").touch()
    make_artifact(folder)


def write_the_board(folder: Path) -> None:
    """Two records and their board."""
    from synthetic_records import record

    from harness.leaderboard.board import write_board
    from harness.leaderboard.record import write_record

    for method in ("dpo", "sft"):
        write_record(folder / "records", record(method))
    write_board(folder)


def board(folder: Path) -> Any:
    """The board's files; what is there is whole."""
    from harness.leaderboard.record import read_records

    if (folder / "records").is_dir():
        read_records(folder / "records")
    if (folder / "table.json").is_file():
        json.loads((folder / "table.json").read_text())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".partial")
    }


def train(folder: Path) -> None:
    """A training of three steps with a checkpoint after each."""
    from test_preference_training import PAIRS, SETTINGS

    from harness.training.checkpoints import Checkpoints
    from harness.training.preference import train as train_pairs
    from harness.training.runtime import Runtime

    class Clock:
        seconds = (0.0, 0.0)

        def carry(self, wall_s: float, cpu_s: float) -> None:
            """Count nothing."""

    checkpoints = Checkpoints(folder / "checkpoints", lambda: "this", Clock(), every_s=0, share=inf)
    train_pairs(
        Path(sys.argv[4]), PAIRS, replace(SETTINGS, steps=3), folder / "out", Runtime(None, checkpoints)
    )


def weights(folder: Path) -> Any:
    """The digest of the adapter."""
    path = folder / "out" / "adapter_model.safetensors"
    return file_digest(path) if path.is_file() else None


SUBJECTS: dict[str, tuple[Work, Result]] = {
    "artifact": (make_artifact, artifact),
    "discard": (discard, artifact),
    "board": (write_the_board, board),
    "training": (train, weights),
}


def child(work: Work, folder: Path, last: int | None, below: str) -> bool:
    """Do the work in a child that dies before event `last` on a path that holds `below`; whether it lived."""
    pid = os.fork()
    if pid:
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return False
        assert status == 0, f"the work failed before event {last}"
        return True
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in EVENTS and any(below in str(argument) for argument in arguments[:2]):
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    if last is not None:
        sys.addaudithook(hook)
    code = 1
    try:
        work(folder)
        code = 0
    finally:
        os._exit(code)


def main() -> None:
    """Kill at each moment in turn, and print how often."""
    (work, result), folder = SUBJECTS[sys.argv[1]], Path(sys.argv[2])
    stride = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    sys.path += [str(ROOT / "tests" / name) for name in ("leaderboard", "training")]
    below = "checkpoint" if work is train else str(folder)
    if work is train:  # libraries are loaded once, here, and not in each child
        import test_preference_training  # noqa: F401
    if work is write_the_board:
        import synthetic_records  # noqa: F401

        import harness.leaderboard.board  # noqa: F401
    assert child(work, folder / "unbroken", None, below)
    unbroken = result(folder / "unbroken")
    assert unbroken
    at = 0
    while not child(work, folder / "killed", at, below):
        result(folder / "killed")
        assert child(work, folder / "killed", None, below)
        assert result(folder / "killed") == unbroken, f"another result after a kill before event {at}"
        shutil.rmtree(folder / "killed")
        at += stride
    print(at // stride)


if __name__ == "__main__":
    main()
