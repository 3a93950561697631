"""Stop a process before each thing that it does to the file system, one after another.

`python each_moment.py SUBJECT FOLDER HARMS [STRIDE [BASE]]`: for n = 0, STRIDE, 2 STRIDE, ... a child begins
the subject's work in a new folder and is killed (SIGKILL) before its n-th file event; what it left is looked
at; a second child does the work to its end; the result must be that of an unbroken run. Ends with the first n
that is never reached, and prints how many children were stopped.

HARMS, with commas, are tried one after the other: "kill" leaves the files as the process did. The others are
losses of power (`power.py`), which harm all that was not flushed by then; "lies" draws a harm for each file,
flushed or not.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
from power import ANY, Power

from harness.endpoints.journal import Claim, Journal
from harness.errors import CorruptArtifact
from harness.store.columns import Columns
from harness.store.keys import Identity, file_digest
from harness.store.local import LocalStore

ROOT = Path(__file__).parents[2]
EVENTS = ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.truncate")
ARTIFACT = Identity("gradients", "abc", 1, {}, {})
ROWS = np.arange(12, dtype=np.float32).reshape(6, 2)
CALLS = "abc"

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


def pay(folder: Path) -> None:
    """Three calls at a dollar: claimed, charged by a server that loses nothing, and paid."""
    with Journal(folder / "journal" / "model.jsonl") as journal:
        for key in CALLS:
            if journal.find(key) is None:
                assert journal.claim(key, 1.0, None) is Claim.MINE
                with charged(folder).open("a") as file:
                    file.write(key)
                journal.pay(key, 1.0, {"to": key}, "plain-1")


def charged(folder: Path) -> Path:
    """What the server has charged, a sign for each call."""
    return folder.with_name(f"{folder.name}.charged")


def paid(folder: Path) -> Any:
    """The answers; all that was charged is known, and one call at most was charged twice."""
    calls = len(charged(folder).read_text()) if charged(folder).exists() else 0
    with Journal(folder / "journal" / "model.jsonl") as journal:
        found = {key: journal.find(key) for key in CALLS}
        assert len(list(filter(None, found.values()))) >= calls - 1
        assert calls <= min(journal.spent_usd, len(CALLS) + 1)
    return found


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
        Path(sys.argv[5]), PAIRS, replace(SETTINGS, steps=3), folder / "out", Runtime(None, checkpoints)
    )


def weights(folder: Path) -> Any:
    """The digest of the adapter."""
    path = folder / "out" / "adapter_model.safetensors"
    return file_digest(path) if path.is_file() else None


SUBJECTS: dict[str, tuple[Work, Result]] = {
    "artifact": (make_artifact, artifact),
    "discard": (discard, artifact),
    "board": (write_the_board, board),
    "journal": (pay, paid),
    "training": (train, weights),
}


Last = tuple[int, str]
"""The event that a child dies before, and what the disk then does."""


def child(work: Work, folder: Path, below: str, last: Last | None = None) -> bool:
    """Do the work in a child that dies before an event on a path that holds `below`; whether it lived."""
    pid = os.fork()
    if pid:
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return False
        assert status == 0, f"the work failed; the child before it was stopped at {last}"
        return True
    if last is not None:
        die_before(*last, folder, below)
    code = 1
    try:
        work(folder)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def die_before(last: int, harm: str, folder: Path, below: str) -> None:
    """Have this process die before its n-th event, counted from 0."""
    power, seen = Power(lies=harm == "lies"), 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in EVENTS and any(below in str(argument) for argument in arguments[:2]):
            seen += 1
            if seen == last + 1:
                if harm != "kill" and folder.is_dir():
                    power.lose(folder, ANY if harm == "lies" else harm, Random(f"{harm} {last}"))
                os.kill(os.getpid(), signal.SIGKILL)

    if harm != "kill":
        patch.object(os, "fsync", power.fsync).start()
    sys.addaudithook(hook)


def mend(result: Result, folder: Path) -> None:
    """Look at what is there; what does not match its digests goes, as in a run."""
    try:
        result(folder)
    except CorruptArtifact as error:
        LocalStore(folder).discard(error.stage, error.key)


def remove(folder: Path) -> None:
    """Remove what a child made."""
    shutil.rmtree(folder)
    charged(folder).unlink(missing_ok=True)


def main() -> None:
    """Stop at each moment in turn, and print how often."""
    (work, result), folder, harms = SUBJECTS[sys.argv[1]], Path(sys.argv[2]), sys.argv[3].split(",")
    stride = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    sys.path += [str(ROOT / "tests" / name) for name in ("leaderboard", "training")]
    below = "checkpoint" if work is train else str(folder)
    if work is train:  # libraries are loaded once, here, and not in each child
        import test_preference_training  # noqa: F401
    if work is write_the_board:
        import synthetic_records  # noqa: F401

        import harness.leaderboard.board  # noqa: F401
    assert child(work, folder / "unbroken", below)
    unbroken = result(folder / "unbroken")
    assert unbroken
    stopped, there = 0, folder / "stopped"
    for harm in harms:
        at, exact = 0, harm == "kill" or (harm != "lies" and work is not discard)
        while not child(work, there, below, (at, harm)):
            (result if exact else partial(mend, result))(there)
            assert child(work, there, below)
            assert result(there) == unbroken, f"another result after {harm} before event {at}"
            remove(there)
            at += stride
            stopped += 1
        remove(there)
    print(stopped)


if __name__ == "__main__":
    main()
