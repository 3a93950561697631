"""The local engine: worker processes of one thread each, fed from one schedule.

Workers are processes, so that the results do not depend on how many there are, a worker that dies takes
only its task with it, and the caller never loads torch.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

from harness.engines.base import Event, Outcome, Work
from harness.engines.schedule import Schedule
from harness.errors import CorruptArtifact, DiskFull, HarnessError
from harness.plan.task import Task
from harness.store.local import LocalStore

THREADS = "1"
ENVIRONMENT = {
    "OMP_NUM_THREADS": THREADS,
    "MKL_NUM_THREADS": THREADS,
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
REDO_LIMIT = 3
PATIENCE_S = 5.0
LOOK_AGAIN_S = 0.5
"""How often to see whether another run is done with what this one waits for."""

Message = tuple[str, object]


class LocalEngine:
    """Runs tasks in `jobs` worker processes on this machine."""

    def __init__(self, store: LocalStore, work: Work, jobs: int) -> None:
        self._store, self._work, self._jobs = store, work, jobs

    def run(self, tasks: Sequence[Task], report: Callable[[Event], None]) -> Outcome:
        """Run what the store lacks, inputs before users; go on past failures.

        Raises:
            DiskFull: there is no room for the artifact of a task; nothing else is begun.
            KeyboardInterrupt: passed on after the workers have stopped; the store stays whole.
        """
        schedule = Schedule(tasks, self._store)
        workers = [_Worker(self._work, self._store.root) for _ in range(min(self._jobs, schedule.open))]
        try:
            while schedule.open:
                _feed(schedule, workers, report)
                busy = {worker.pipe: worker for worker in workers if worker.task is not None}
                for pipe in wait(list(busy), LOOK_AGAIN_S if schedule.elsewhere else None):
                    _listen(schedule, busy[pipe], report)  # type: ignore[index]
        finally:
            for worker in workers:
                worker.dismiss()
            for worker in workers:
                worker.see_off()
        return schedule.outcome


class _Worker:
    """One process, the pipe to it, and the task that it has."""

    def __init__(self, work: Work, root: Path) -> None:
        self._work, self._root = work, root
        self.task: Task | None = None
        self._start()

    def _start(self) -> None:
        os.environ.update(ENVIRONMENT)
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self._work, self._root), daemon=True)
        # Ctrl-C reaches the whole process group; a worker ignores it from its first instruction on
        usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, usual)
        theirs.close()

    def give(self, task: Task) -> None:
        self.task = task
        self.pipe.send(task)

    def restart(self) -> str:
        """Replace a process that died; says how it died."""
        self.process.join()
        code = self.process.exitcode or 0
        self._start()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"the worker process died ({how}); was the machine out of memory?"

    def dismiss(self) -> None:
        """Let an idle worker go, so that it tidies up after itself; end a busy one at once."""
        self.pipe.close()
        if self.task is not None:
            self.process.terminate()

    def see_off(self) -> None:
        """Wait for a dismissed worker's end, and enforce it."""
        self.process.join(PATIENCE_S)
        self.process.kill()


def _feed(schedule: Schedule, workers: Sequence[_Worker], report: Callable[[Event], None]) -> None:
    for worker in workers:
        if worker.task is None and (task := schedule.next()) is not None:
            worker.give(task)
            report(Event("started", task))


def _listen(schedule: Schedule, worker: _Worker, report: Callable[[Event], None]) -> None:
    """Take one message from a busy worker."""
    task = worker.task
    assert task is not None
    try:
        kind, content = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        kind, content = "failed", worker.restart()
    if kind == "progress":
        done, of = content
        report(Event("progress", task, done, of))
        return
    worker.task = None
    if isinstance(content, DiskFull):
        raise content
    bad = _named(content, task) if kind == "corrupt" else None
    if bad is not None and schedule.redone(task) < REDO_LIMIT:
        report(Event("redo", task, made_again=schedule.redo(task, bad), reason=str(content)))
        return
    if kind == "finished":
        schedule.finish(task)
        report(Event("finished", task))
    elif kind == "found":
        schedule.find(task)
        report(Event("found", task))
    else:
        schedule.fail(task, str(content))
        report(Event("failed", task, reason=str(content)))


def _named(error: CorruptArtifact, task: Task) -> Task | None:
    """The input of a task that an error is about."""
    return next((needed for needed in task.inputs.values() if needed.key == error.key), None)


def _serve(pipe: Connection, work: Work, root: Path) -> None:
    """A worker's life: take a task, do it, say how it went; ends when the caller is gone."""
    signal.signal(signal.SIGTERM, _tidy_end)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(_attempt(pipe, work, task, root))
        except BrokenPipeError:
            return


def _tidy_end(signum: int, frame: object) -> None:
    """SIGTERM: end as if the task had failed, so that what is half made goes."""
    sys.exit(128 + signum)


def _attempt(pipe: Connection, work: Work, task: Task, root: Path) -> Message:
    def progress(done: int, of: int) -> None:
        pipe.send(("progress", (done, of)))

    try:
        return "finished" if work(task, root, progress) else "found", None
    except BrokenPipeError:
        raise
    except DiskFull as error:
        return "failed", error
    except Exception as error:
        corrupt = error if isinstance(error, CorruptArtifact) else _corrupt_input(task, root)
        return ("failed", _reason(error)) if corrupt is None else ("corrupt", corrupt)


def _corrupt_input(task: Task, root: Path) -> CorruptArtifact | None:
    """The input that changed or went while the task read it, which explains any error."""
    store = LocalStore(root)
    for needed in task.inputs.values():
        try:
            store.open(needed.stage, needed.key)
        except CorruptArtifact as error:
            return error
    return None


def _reason(error: Exception) -> str:
    """What a user is told: our own errors are sentences; others need the name of their class."""
    return str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}".rstrip(": ")
