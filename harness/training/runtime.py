"""What goes along with a training and does not change what comes out of it."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from transformers import TrainerCallback

from harness.errors import Diverged
from harness.training.checkpoints import Checkpoints, go_on
from harness.training.processes import check_processes, from_all, merged
from harness.training.tracking import Tracking


@dataclass(frozen=True)
class Runtime:
    """What goes along with a training.

    `progress` is called with (steps done, steps in all) after each step. Without `checkpoints` a training
    that is stopped starts again. `processes` share the micro-batches of each step, in the way that accelerate
    calls `distributed` (None: any).
    """

    progress: Callable[[int, int], None] | None = None
    checkpoints: Checkpoints | None = None
    tracking: Tracking | None = None
    processes: int = 1
    distributed: str | None = None


ALONE = Runtime()
"""One process, that tells nobody and saves nothing on the way."""


def run_trainer(trainer: Any, runtime: Runtime) -> None:
    """Train, from the last checkpoint where there is one; the trainer then holds all processes' progress.

    Raises:
        HarnessError: another number of processes runs than was asked for, or they share in another way.
        Diverged: the trainer's own; the trainer then holds the counts of all processes.
    """
    check_processes(trainer.accelerator, runtime.processes, runtime.distributed)
    if runtime.progress is not None and trainer.is_world_process_zero():
        trainer.add_callback(_Progress(runtime.progress))
    last = go_on(trainer, runtime.checkpoints) if runtime.checkpoints else None
    try:
        with _no_garbage_hunt():
            trainer.train(resume_from_checkpoint=last)
    except Diverged:
        if runtime.processes > 1:  # the others may go on, and cannot be asked
            trainer.count_for_all(runtime.processes)
        raise
    if runtime.processes > 1:
        trainer.restore_progress(merged(from_all(trainer.progress_state())))


@contextmanager
def _no_garbage_hunt() -> Iterator[None]:
    """Leave what is there now out of garbage collection.

    The trainer collects once at its start, which goes through all objects of the libraries: with a tiny model
    as long as several steps.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Progress(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    def __init__(self, report: Callable[[int, int], None]) -> None:
        self.report = report

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.report(state.global_step, state.max_steps)
