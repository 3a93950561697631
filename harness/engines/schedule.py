"""Which task may run next: the bookkeeping that every engine shares."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from harness.engines.base import Outcome
from harness.errors import CorruptArtifact
from harness.plan.task import Task
from harness.store.local import LocalStore

LEAST_S = 1e-3
"""Seconds that a task is taken to need at the least, so that its chain is longer than its users'."""


def longest_first(tasks: Sequence[Task], seconds: Mapping[str, float]) -> list[Task]:
    """Tasks in the order in which free workers should take them: by the longest chain that waits for each.

    A chain is the task and, one after the other, tasks that need it: with enough workers, nothing ends before
    the longest one does (list scheduling by critical path: Graham 1969; Kohler 1975). Of equal chains, the
    task that more others wait for goes first, so that no worker lacks work.

    Args:
        tasks: inputs before users, as in the result.
        seconds: expected of one whole task, by stage; not negative.
    """
    waiting = dict.fromkeys((task.key for task in tasks), 0.0)
    users = Counter(needed.key for task in tasks for needed in task.needs)
    for task in reversed(tasks):
        waiting[task.key] += max(seconds[task.stage] * task.share, LEAST_S)
        for needed in task.needs:
            waiting[needed.key] = max(waiting[needed.key], waiting[task.key])
    return sorted(tasks, key=lambda task: (-waiting[task.key], -users[task.key]))


class Schedule:
    """The tasks of a run: found in the store, waiting, running, or over."""

    def __init__(self, tasks: Sequence[Task], store: LocalStore) -> None:
        """`tasks`: all that a plan needs, inputs before users; of those that can start, the first does."""
        self._store = store
        self._waiting: dict[str, Task] = {}
        self._running: dict[str, Task] = {}
        self._redone: Counter[tuple[str, str]] = Counter()
        self.elsewhere = False
        """Whether the last look for a task found one that another run is making."""
        self.outcome = Outcome()
        self._place = {task.key: place for place, task in enumerate(tasks)}
        for task in tasks:
            there = store.has(task.stage, task.key)
            (self.outcome.stored if there else self._waiting)[task.key] = task

    @property
    def open(self) -> int:
        """How many tasks wait or run."""
        return len(self._waiting) + len(self._running)

    def next(self, fits: Callable[[Task], bool] = lambda task: True) -> Task | None:
        """The first waiting task that fits and has its inputs, marked as running; None where there is none.

        What another run is making has to wait: it may soon be found.
        """
        self.elsewhere = False
        for key, task in self._waiting.items():
            if any(self._is_open(needed) for needed in task.needs):
                continue
            if self._store.is_claimed(task.stage, key):
                self.elsewhere = True
                continue
            if not fits(task):
                continue
            self._running[key] = self._waiting.pop(key)
            return task
        return None

    def put_back(self, task: Task) -> None:
        """A task has not begun, as another run has: it waits again."""
        self._wait(self._running.pop(task.key))

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
            if any(needed.key in lost for needed in waiting.needs):
                lost.add(key)
                self.outcome.not_run.append(self._waiting.pop(key))

    def redo(self, task: Task, bad: Task) -> bool:
        """An input of a running task is corrupt: make it again, then the task; whether that is new work.

        The complaint may be late, about a copy that is being replaced already, or has been.
        """
        self._redone[task.key, bad.key] += 1
        self._wait(self._running.pop(task.key))
        if self._is_open(bad) or self._is_sound(bad):
            return False
        self._store.discard(bad.stage, bad.key)
        self.outcome.stored.pop(bad.key, None)
        self._wait(bad)
        return True

    def _wait(self, task: Task) -> None:
        """Have a task wait again, in its place, so that inputs stay before users."""
        self._waiting[task.key] = task
        self._waiting = dict(sorted(self._waiting.items(), key=lambda each: self._place[each[0]]))

    def redone(self, task: Task, bad: Task) -> int:
        """How often a task had to wait for one of its inputs, as that was corrupt."""
        return self._redone[task.key, bad.key]

    def _is_sound(self, task: Task) -> bool:
        try:
            LocalStore(self._store.root).open(task.stage, task.key)
        except CorruptArtifact:
            return False
        return True

    def _is_open(self, task: Task) -> bool:
        return task.key in self._waiting or task.key in self._running
