"""Checkpoints: a training that is killed goes on from the last whole one, to the same weights.

The library's own checkpoint (weights, optimiser, schedule, random numbers) counts once `progress.json` lies
beside it, which is written last and holds a digest of every other file. The library reads its torch files
with `weights_only`, so no pickle is executed, and they are the task's own, from the store's scratch folder.
Its `training_args.bin` is a pickle, which nothing reads.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from transformers import Trainer, TrainerCallback

from harness.disk import flush, flush_one, write_flushed
from harness.training.processes import from_all, from_first

EVERY_S = 60.0
SHARE = 0.05
KEEP = 2
PROGRESS = "progress.json"
REQUIRED = frozenset({"scheduler.pt", "trainer_state.json"})
OPTIMIZERS = frozenset({"optimizer.pt", "optimizer.bin"})
"""One of them; the second where weights lie in shards. Without it, or the scheduler's, the library goes on as
if nothing were missing, to other weights."""


class Clock(Protocol):
    """The seconds that a training is charged."""

    @property
    def seconds(self) -> tuple[float, float]:
        """(wall, CPU) so far, with those carried over."""

    def carry(self, wall_s: float, cpu_s: float) -> None:
        """Add the seconds of an earlier process."""


@dataclass(frozen=True)
class Checkpoints:
    """Where a training's checkpoints lie, and when they are made.

    `fingerprint` stands for all that the weights depend on: a checkpoint of another one is not gone on from.
    It is asked for when it is first needed. A training shorter than `every_s` seconds saves none, and saving
    takes about `share` of the time at most.
    """

    folder: Path
    fingerprint: Callable[[], str]
    clock: Clock
    every_s: float = EVERY_S
    share: float = SHARE

    def newest(self) -> tuple[Path, dict[str, Any]] | None:
        """The last checkpoint that is whole, and its progress; all others are removed."""
        found = None
        for folder in _by_step(self.folder):
            progress = None if found else _read(folder, self.fingerprint())
            if progress is None:
                shutil.rmtree(folder)
            else:
                found = folder, progress
        return found


def go_on(trainer: Any, checkpoints: Checkpoints) -> str | None:
    """Make a trainer save checkpoints; the one to train on from, with what was counted until then."""
    trainer.add_callback(_Saver(trainer, checkpoints))
    first = trainer.is_world_process_zero()
    found = from_first(checkpoints.newest() if first else None)
    if found is None:
        return None
    folder, progress = found
    own = progress["processes"][trainer.accelerator.process_index]
    trainer.restore_progress(own["state"])
    checkpoints.clock.carry(*own["seconds"])
    return str(folder)


class _Saver(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Asks for a checkpoint when it is time, and makes it count when it is there."""

    def __init__(self, trainer: Trainer, checkpoints: Checkpoints) -> None:
        self.trainer, self.checkpoints = trainer, checkpoints
        self.last = time.monotonic()
        self.took = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        since = time.monotonic() - self.last
        due = since >= self.checkpoints.every_s and self.took <= self.checkpoints.share * since
        if args.world_size > 1:
            due = from_first(due)  # each has its own clock, and all must save at the same step
        if due and state.global_step < state.max_steps:
            self.last = time.monotonic()
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        own = {"seconds": self.checkpoints.clock.seconds, "state": self.trainer.progress_state()}
        processes = from_all(own)
        if state.is_world_process_zero:
            folder = self.checkpoints.folder / f"checkpoint-{state.global_step}"
            _write(folder, self.checkpoints.fingerprint(), processes)
            for old in _by_step(self.checkpoints.folder)[KEEP:]:
                shutil.rmtree(old)
        control.should_save = False
        self.took = time.monotonic() - self.last
        self.last = time.monotonic()


def _by_step(folder: Path) -> list[Path]:
    """The checkpoints in a folder, whole or not, the newest first."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.rpartition("-")[2]))


def _write(folder: Path, fingerprint: str, processes: list[Any]) -> None:
    """Make a checkpoint count: first all of it is on the disk, then the note on it, then its name."""
    flush(folder)
    noted = {"fingerprint": fingerprint, "files": _digests(folder), "processes": processes}
    write_flushed(folder / PROGRESS, json.dumps(noted))
    for above in (folder.parent, folder.parent.parent):
        flush_one(above)


def _read(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    """What was noted of a checkpoint; None where it is torn, changed, or of another training."""
    try:
        noted: dict[str, Any] = json.loads((folder / PROGRESS).read_text())
        files = set(noted["files"])
        whole = noted["files"] == _digests(folder) and files >= REQUIRED and files & OPTIMIZERS
        return noted if whole and noted["fingerprint"] == fingerprint else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a checkpoint but the note on it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith(PROGRESS):
            with path.open("rb") as file:
                found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
