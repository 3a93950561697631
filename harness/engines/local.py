"""The local engine: worker processes of one thread each, fed from one schedule.

Workers are processes, so that the results do not depend on how many there are, a worker that dies takes
only its task with it, and the caller never loads torch.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import ceil
from multiprocessing.connection import Connection, wait
from pathlib import Path

from harness.engines.attempt import LOOK_AGAIN_S, attempt, settle
from harness.engines.base import Event, Outcome, Work
from harness.engines.devices import devices_here, placements, taken
from harness.engines.schedule import Schedule
from harness.plan.task import Task
from harness.store.local import LocalStore

THREADS = "1"
ENVIRONMENT = {
    "OMP_NUM_THREADS": THREADS,
    "MKL_NUM_THREADS": THREADS,
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
PATIENCE_S = 5.0
WHOLE = 1 + 1e-9
"""A GPU, with what adding up its parts may round."""


Gpus = Callable[[str], float]
"""How many of this machine's GPUs a task of a stage takes; 0: as many tasks use one as there are workers."""


class LocalEngine:
    """Runs tasks in `jobs` worker processes on this machine, side by side where its GPUs have room."""

    def __init__(self, store: LocalStore, work: Work, jobs: int, gpus: Gpus = lambda stage: 0.0) -> None:
        self._store, self._work, self._jobs, self._gpus = store, work, jobs, gpus

    def run(self, tasks: Sequence[Task], report: Callable[[Event], None]) -> Outcome:
        """Run what the store lacks, inputs before users; go on past failures.

        Raises:
            DiskFull: there is no room for the artifact of a task; nothing else is begun.
            KeyboardInterrupt: passed on after the workers have stopped; the store stays whole.
        """
        schedule = Schedule(tasks, self._store)
        jobs = min(self._jobs, schedule.open)
        devices = devices_here() if jobs > 1 else []  # a single worker has all of them
        most = max([1, *(ceil(self._gpus(task.stage)) for task in tasks)])
        places = placements(devices, jobs, most)
        workers = [_Worker(self._work, self._store.root, place) for place in places]
        room = _Room(workers, devices, self._gpus)
        try:
            while schedule.open:
                _feed(schedule, workers, room, report)
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

    def __init__(self, work: Work, root: Path, place: Mapping[str, str]) -> None:
        self._work, self._root, self.place = work, root, place
        self.task: Task | None = None
        self._start()

    def _start(self) -> None:
        os.environ.update(ENVIRONMENT)
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        given = (theirs, self._work, self._root, self.place)
        self.process = context.Process(target=_serve, args=given, daemon=True)
        # Ctrl-C reaches the whole process group; a worker ignores it from its first instruction on
        usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, usual)
        theirs.close()

    def give(self, task: Task) -> None:
        """Hand over a task; one that died idle, which nobody listened to, is replaced first."""
        self.task = task
        try:
            self.pipe.send(task)
        except OSError:
            self.restart()
            self.pipe.send(task)

    def restart(self) -> str:
        """Replace a process that died; says how it died."""
        self.pipe.close()
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


class _Room:
    """What the tasks of busy workers leave of the GPUs; with no task at work, there is room for any."""

    def __init__(self, workers: Sequence[_Worker], devices: Sequence[str], gpus: Gpus) -> None:
        self._workers, self._devices, self._gpus = workers, devices, gpus

    def fits(self, worker: _Worker, task: Task) -> bool:
        """Whether a task has room on the GPUs that it would work on at this worker."""
        used: dict[str, float] = {}
        for busy in self._workers:
            if busy.task is not None:
                for device, part in self._taken(busy, busy.task).items():
                    used[device] = used.get(device, 0.0) + part
        wanted = self._taken(worker, task)
        return all(used.get(device, 0.0) + part <= WHOLE for device, part in wanted.items())

    def _taken(self, worker: _Worker, task: Task) -> dict[str, float]:
        return taken(worker.place, self._devices, self._gpus(task.stage))


def _feed(
    schedule: Schedule, workers: Sequence[_Worker], room: _Room, report: Callable[[Event], None]
) -> None:
    for worker in workers:
        if worker.task is None and (task := schedule.next(partial(room.fits, worker))) is not None:
            worker.give(task)
            report(Event("started", task))


def _listen(schedule: Schedule, worker: _Worker, report: Callable[[Event], None]) -> None:
    """Take one message from a busy worker."""
    task = worker.task
    assert task is not None
    try:
        kind, content = worker.pipe.recv()
    except (EOFError, OSError):  # between two messages, or in the middle of one
        kind, content = "failed", worker.restart()
    if kind == "progress":
        done, of = content
        report(Event("progress", task, done, of))
        return
    worker.task = None
    settle(schedule, task, (kind, content), report)


def _serve(pipe: Connection, work: Work, root: Path, place: Mapping[str, str]) -> None:
    """A worker's life: take a task, do it, say how it went; ends when the caller is gone."""
    os.environ.update(place)  # nothing here has asked for a GPU yet: torch is loaded by the first task
    signal.signal(signal.SIGTERM, _tidy_end)
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send(attempt(work, task, root, lambda done, of: pipe.send(("progress", (done, of)))))
        except BrokenPipeError:
            return


def _tidy_end(signum: int, frame: object) -> None:
    """SIGTERM: end as if the task had failed, so that what is half made goes."""
    sys.exit(128 + signum)
