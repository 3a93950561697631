"""Which task may run next: the bookkeeping that every engine shares."""

from collections import Counter
from collections.abc import Sequence

from harness.engines.base import Outcome
from harness.errors import CorruptArtifact
from harness.plan.task import Task
from harness.store.local import LocalStore


class Schedule:
    """The tasks of a run: found in the store, waiting, running, or over."""

    def __init__(self, tasks: Sequence[Task], store: LocalStore) -> None:
        """`tasks`: all that a plan needs, inputs before users."""
        self._store = store
        self._waiting: dict[str, Task] = {}
        self._running: dict[str, Task] = {}
        self._redone: Counter[str] = Counter()
        self.elsewhere = False
        """Whether the last look for a task found one that another run is making."""
        self.outcome = Outcome()
        for task in tasks:
            there = store.has(task.stage, task.key)
            (self.outcome.stored if there else self._waiting)[task.key] = task

    @property
    def open(self) -> int:
        """How many tasks wait or run."""
        return len(self._waiting) + len(self._running)

    def next(self) -> Task | None:
        """The first waiting task whose inputs are there, marked as running; None where there is none.

        What another run is making has to wait: it may soon be found.
        """
        self.elsewhere = False
        for key, task in self._waiting.items():
            if any(self._is_open(needed) for needed in task.inputs.values()):
                continue
            if self._store.is_claimed(task.stage, key):
                self.elsewhere = True
                continue
            self._running[key] = self._waiting.pop(key)
            return task
        return None

    def find(self, task: Task) -> None:
        """Another run has put a task's artifact into the store."""
        self.outcome.stored[task.key] = self._running.pop(task.key)

    def finish(self, task: Task) -> None:
        """A task's artifact is in the store."""
        del self._running[task.key]
        self.outcome.done.append(task)

    def fail(self, task: Task, reason: str) -> None:
        """A task failed: what depends on it will not run."""
        del self._running[task.key]
        self.outcome.failed[task.key] = (task, reason)
        lost = {task.key}
        for key, waiting in list(self._waiting.items()):
            if any(needed.key in lost for needed in waiting.inputs.values()):
                lost.add(key)
                self.outcome.not_run.append(self._waiting.pop(key))

    def redo(self, task: Task, bad: Task) -> bool:
        """An input of a running task is corrupt: make it again, then the task; whether that is new work.

        The complaint may be late, about a copy that is being replaced already, or has been.
        """
        self._redone[task.key] += 1
        self._waiting[task.key] = self._running.pop(task.key)
        if self._is_open(bad) or self._is_sound(bad):
            return False
        self._store.discard(bad.stage, bad.key)
        self.outcome.stored.pop(bad.key, None)
        self._waiting[bad.key] = bad
        return True

    def redone(self, task: Task) -> int:
        """How often a task had to wait for a corrupt input."""
        return self._redone[task.key]

    def _is_sound(self, task: Task) -> bool:
        try:
            LocalStore(self._store.root).open(task.stage, task.key)
        except CorruptArtifact:
            return False
        return True

    def _is_open(self, task: Task) -> bool:
        return task.key in self._waiting or task.key in self._running
