"""Where the tasks of a recipe have other keys than a board's records state, and why."""

from collections.abc import Iterator, Mapping, Sequence

from harness.leaderboard.record import Record
from harness.plan.build import Cell, build_plan
from harness.plan.catalog import STAGES
from harness.plan.draw import DataFile
from harness.plan.task import Task
from harness.recipe.schema import Recipe
from harness.store.keys import canonical

NAMED = 3
"""Methods that a sentence names; more are counted."""


def key_changes(
    records: Sequence[Record], recipe: Recipe, files: Mapping[str, DataFile], otherwise: str
) -> Iterator[str]:
    """A sentence for each stage that is the first of which a method's record has another key.

    What follows from that stage has other keys too, and is not named. Imported results have no keys.

    Args:
        records: of one board.
        recipe: as it is now.
        files: all that it names, by their names there.
        otherwise: what is said where neither the stage's version nor a file is why.
    """
    there = {(record.method, record.replicate): record for record in records if record.tasks}
    known = {task.key for record in records for task in record.tasks}
    found: dict[str, dict[str, None]] = {}
    for cell in build_plan(recipe, files).cells:
        record = there.get((cell.method, cell.replicate))
        if record and (task := _first_other(cell, record, known)):
            found.setdefault(_change(task, record, files, otherwise), {})[cell.method] = None
    for change, methods in found.items():
        named = ", ".join(methods) if len(methods) <= NAMED else f"{len(methods)} methods"
        yield f"{change} ({named})"


def _first_other(cell: Cell, record: Record, known: set[str]) -> Task | None:
    """The first task of a cell whose key its record lacks.

    A comparison with another method that the record holds is one only if both methods are as they were:
    else the other's record says what has changed.
    """
    mine = {task.key for task in record.tasks}
    judged = record.head_to_head.values if record.head_to_head else {}
    contests = (
        task
        for other, task in cell.contests.items()
        if other in judged and all(side.key in known for side in task.inputs.values())
    )
    return next((task for task in (*cell.tasks, *contests) if task.key not in mine), None)


def _change(task: Task, record: Record, files: Mapping[str, DataFile], otherwise: str) -> str:
    """What has changed in a task whose inputs are as they were; `otherwise` where that cannot be told."""
    mine, version = {task.key for task in record.tasks}, STAGES[task.stage].version
    for earlier in range(version):
        if task.key_at(earlier) in mine:
            return f"stage {task.stage}: is version {version} now, was {earlier}"
    read = canonical(task.params)
    changed = [
        name
        for name, file in files.items()
        if file.sha256 in read and record.files.get(name, file.sha256) != file.sha256
    ]
    why = f"reads another {', '.join(changed)} now" if changed else otherwise
    return f"stage {task.stage}: {why}"
