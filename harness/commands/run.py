"""`harness run`: do what a recipe's plan lacks, then write records and board."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness.commands.places import Places
from harness.commands.view import RunView
from harness.engines.base import Outcome
from harness.engines.local import LocalEngine
from harness.errors import CorruptArtifact, TaskFailed
from harness.leaderboard.assemble import make_table
from harness.leaderboard.board import write_board
from harness.leaderboard.collect import collect
from harness.leaderboard.record import Record, write_record
from harness.leaderboard.terminal import print_board
from harness.plan.build import Plan, build_plan
from harness.plan.estimate import stage_seconds
from harness.recipe.load import load_recipe
from harness.recipe.schema import Recipe
from harness.stages.run import run_task
from harness.store.local import LocalStore

CORRUPTIONS = 10
"""How many corrupt results one run mends before it gives up on the disk."""


@dataclass(frozen=True)
class Run:
    """A recipe, its plan, and where its results go."""

    places: Places
    recipe: Recipe
    plan: Plan
    store: LocalStore


def run(places: Places, jobs: int, console: Console) -> None:
    """Run a recipe to its board.

    Raises:
        TaskFailed: if tasks failed; all that did not depend on them is done, and on the board.
        KeyboardInterrupt: passed on; what is stored stays.
    """
    recipe = load_recipe(places.recipe)
    job = Run(places, recipe, build_plan(recipe), LocalStore(places.store))
    job.store.prepare()
    outcome, records = _run_and_collect(job, jobs, console)
    _write_records(places.board, records)
    if records:
        write_board(places.board)
        print_board(make_table(records), console)
    console.print(f"board: {escape(str(places.board / 'README.md'))}", highlight=False)
    console.print(_summary(outcome), highlight=False)
    if outcome.failed:
        raise TaskFailed("\n".join(_failures(outcome)))


def _run_and_collect(job: Run, jobs: int, console: Console) -> tuple[Outcome, list[Record]]:
    """Run, and read the results; a result that does not match its digest is made again."""
    for _ in range(CORRUPTIONS):
        outcome = _run_plan(job, jobs, console)
        try:
            return outcome, list(_records(job, outcome))
        except CorruptArtifact as error:
            console.print(f"[yellow]redone[/yellow]: {escape(str(error))}", highlight=False)
            job.store.discard(error.stage, error.key)
    raise TaskFailed(f"{job.places.store}: results keep changing under us. Is the disk sound?")


def _run_plan(job: Run, jobs: int, console: Console) -> Outcome:
    missing = [task for task in job.plan.tasks if not job.store.has(task.stage, task.key)]
    expected = stage_seconds(history(job))
    seconds = {task.key: expected[task.stage] for task in missing}
    engine = LocalEngine(job.store, run_task, jobs)
    with RunView(console, job.plan.users, seconds, jobs) as view:
        return engine.run(job.plan.tasks, view)


def history(job: Run) -> Iterator[tuple[str, float]]:
    """(stage, wall seconds) of this plan's tasks that the store holds."""
    for task in job.plan.tasks:
        if job.store.has(task.stage, task.key):
            yield task.stage, job.store.manifest(task.stage, task.key).cost["wall_s"]


def _records(job: Run, outcome: Outcome) -> Iterator[Record]:
    undone = set(outcome.failed) | {task.key for task in outcome.not_run}
    for cell in job.plan.cells:
        if not undone.intersection(task.key for task in cell.tasks):
            yield collect(job.recipe, job.places.recipe.stem, cell, job.store)


def _write_records(board: Path, records: list[Record]) -> None:
    """The records of this run, and no others: the board shows the recipe as it is now."""
    folder = board / "records"
    written = {write_record(folder, record) for record in records}
    if folder.is_dir():
        for old in set(folder.glob("*.json")) - written:
            old.unlink()


def _summary(outcome: Outcome) -> str:
    counts = [f"{len(outcome.done)} tasks done", f"{len(outcome.stored)} found in the store"]
    if outcome.failed:
        counts += [f"{len(outcome.failed)} failed", f"{len(outcome.not_run)} not run because of them"]
    return ", ".join(counts)


def _failures(outcome: Outcome) -> Iterator[str]:
    for task, reason in outcome.failed.values():
        yield f"{task.stage}/{task.key} failed: {reason}"
