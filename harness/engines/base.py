"""What an engine is given, what it reports while it works, and how it ends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.plan.task import Task

Progress = Callable[[int, int], None]
Work = Callable[[Task, Path, Progress], bool]
"""Runs one task against the store at a path, reports (done, of) as it goes, and commits the artifact.

False where another run has made it meanwhile.
"""


@dataclass(frozen=True)
class Event:
    """Something that happened to a task.

    `done` of `of` for progress; `reason` for failed and redo. A task is redone because an input of it was
    corrupt; `made_again` says whether that input is new work of the run. One that another run has made
    meanwhile is found.
    """

    kind: Literal["started", "progress", "finished", "found", "failed", "redo"]
    task: Task
    done: int = 0
    of: int = 0
    reason: str = ""
    made_again: bool = False


@dataclass
class Outcome:
    """How a run ended: tasks done now, found in the store, failed with a reason, and never started."""

    done: list[Task] = field(default_factory=list)
    stored: dict[str, Task] = field(default_factory=dict)
    failed: dict[str, tuple[Task, str]] = field(default_factory=dict)
    not_run: list[Task] = field(default_factory=list)
