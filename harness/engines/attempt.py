"""One try at a task, and what its end means for the schedule: the same in every engine."""

from collections.abc import Callable
from pathlib import Path

from harness.engines.base import Event, Progress, Work
from harness.engines.schedule import Schedule
from harness.errors import CorruptArtifact, DiskFull, HarnessError, NewerStore
from harness.plan.task import Task
from harness.store.local import LocalStore

REDO_LIMIT = 3
"""How often a task waits for one and the same input."""
LOOK_AGAIN_S = 0.5
"""How often to see whether another run is done with what this one waits for."""

Message = tuple[str, object]
"""How a try ended: "finished" or "found" and None, "corrupt" and the error, or "failed" and the reason."""


def attempt(work: Work, task: Task, root: Path, progress: Progress) -> Message:
    """Do a task in this process, and say how it went."""
    try:
        return "finished" if work(task, root, progress) else "found", None
    except BrokenPipeError:
        raise
    except DiskFull as error:
        return "failed", error
    except Exception as error:
        corrupt = error if isinstance(error, CorruptArtifact) else _corrupt_input(task, root)
        return ("failed", _reason(error)) if corrupt is None else ("corrupt", corrupt)


def settle(schedule: Schedule, task: Task, message: Message, report: Callable[[Event], None]) -> None:
    """Tell the schedule, and whoever watches, how a try ended.

    Raises:
        DiskFull: there is no room for the artifact.
    """
    kind, content = message
    if isinstance(content, DiskFull):
        raise content
    bad = _named(content, task) if isinstance(content, CorruptArtifact) else None
    if bad is not None and schedule.redone(task, bad) < REDO_LIMIT:
        report(Event("redo", task, made_again=schedule.redo(task, bad), reason=str(content)))
    elif kind == "finished":
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
    return next((needed for needed in task.needs if needed.key == error.key), None)


def _corrupt_input(task: Task, root: Path) -> CorruptArtifact | None:
    """The input that changed or went while the task read it, which explains any error."""
    store = LocalStore(root)
    for needed in task.needs:
        try:
            store.open(needed.stage, needed.key)
        except CorruptArtifact as error:
            return error
        except (NewerStore, PermissionError):  # which is what the task itself ran into
            return None
    return None


def _reason(error: Exception) -> str:
    """What a user is told: our own errors are sentences; others need the name of their class."""
    return str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}".rstrip(": ")
