"""What every engine offers, and what it reports while it works."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from harness.plan.task import Task

Progress = Callable[[int, int], None]
Work = Callable[[Task, Path, Progress], None]
"""Runs one task against the store at a path, reports (done, of) as it goes, and commits the artifact."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a task: `done` of `of` for progress, `reason` for failed and redo."""

    kind: Literal["started", "progress", "finished", "failed", "redo"]
    task: Task
    done: int = 0
    of: int = 0
    reason: str = ""


@dataclass
class Outcome:
    """How a run ended: tasks done now, found in the store, failed with a reason, and never started."""

    done: list[Task] = field(default_factory=list)
    stored: dict[str, Task] = field(default_factory=dict)
    failed: dict[str, tuple[Task, str]] = field(default_factory=dict)
    not_run: list[Task] = field(default_factory=list)


class Engine(Protocol):
    """Runs tasks whose inputs are there, goes on past failures, and leaves the rest as not run."""

    def run(self, tasks: Sequence[Task], report: Callable[[Event], None]) -> Outcome:
        """Run the tasks, given inputs before users.

        Raises:
            KeyboardInterrupt: passed on after the workers have stopped; the store stays whole.
        """
        ...
