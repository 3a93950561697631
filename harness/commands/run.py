"""`harness run`: do what a recipe's plan lacks, then write records and board."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from rich.markup import escape

from harness.commands.inputs import files_of
from harness.commands.lm_eval_files import write_results
from harness.commands.options import options_of
from harness.commands.output import Output
from harness.commands.places import Places
from harness.commands.view import RunView
from harness.commands.workers import Workers, engine_of
from harness.energy import check_energy
from harness.engines.base import Outcome
from harness.engines.schedule import longest_first
from harness.errors import BadInput, CorruptArtifact, TaskFailed
from harness.leaderboard.artifacts import Artifacts
from harness.leaderboard.board import check_writable, write_board
from harness.leaderboard.collect import collect, declare
from harness.leaderboard.overview import write_overview
from harness.leaderboard.record import Record, read_records, write_record
from harness.leaderboard.terminal import print_board
from harness.plan.build import Plan, build_plan
from harness.plan.catalog import stage_seconds
from harness.plan.draw import DataFile
from harness.plan.shards import in_shards
from harness.plan.task import Task
from harness.recipe.load import load_recipe
from harness.recipe.schema import Recipe
from harness.stages.options import Options
from harness.stages.run import run_task
from harness.store.formats import RESULT, read_json
from harness.store.local import LocalStore

CORRUPTIONS = 3
"""How often one run finds the same result corrupt before it gives up on the disk."""


@dataclass(frozen=True)
class Run:
    """A recipe, the files that it names, its plan, where its results go, and how it is run."""

    places: Places
    recipe: Recipe
    files: Mapping[str, DataFile]
    plan: Plan
    store: LocalStore
    options: Options


def run(
    places: Places,
    workers: Workers,
    output: Output,
    report_to: str | None = None,
    train_processes: int | None = None,
    energy: bool = False,
) -> None:
    """Run a recipe to its board.

    Raises:
        BadInput: the recipe or an option is wrong.
        StoreError: the store cannot be used, or its disk is full.
        TaskFailed: if tasks failed; all that did not depend on them is done, and on the board.
        KeyboardInterrupt: passed on; what is stored stays.
    """
    workers.check()
    recipe = load_recipe(places.recipe)
    files = files_of(recipe, places)
    plan = build_plan(recipe, files)
    options = options_of(places, recipe, plan, report_to, train_processes)
    if energy:
        check_energy()
        options = replace(options, energy=workers.jobs > 1)
    job = Run(places, recipe, files, plan, LocalStore(places.store), options)
    check_writable(places.board)
    with job.store.in_use():
        _forget(job, output)
        outcome, records = _run_and_collect(job, workers, output)
        if records:
            _write_board(job, records, output)
    output.steps.print(_summary(outcome), highlight=False)
    for line in missing_verdicts(job.plan, job.store):
        output.steps.print(line, highlight=False, soft_wrap=True)
    if outcome.failed:
        raise TaskFailed("\n".join(_failures(outcome, job.plan)))


def _forget(job: Run, output: Output) -> None:
    """Take out of the store what is to be made again, unless it cannot be for want of a key."""
    found: list[tuple[Task, str]] = []
    for task in job.plan.tasks:
        with suppress(CorruptArtifact):
            if job.store.has(task.stage, task.key) and (reason := outdated(task, job.store)):
                found.append((task, reason))
    _check_keys(job, [task for task, _ in found])
    for task, reason in found:
        output.steps.print(f"{task.stage}/{task.key}: {reason}", highlight=False, markup=False)
        job.store.discard(task.stage, task.key)


def outdated(task: Task, store: LocalStore) -> str:
    """Why a stored result does not serve any longer, whose key is right; empty where it does.

    Verdicts that are missing can be asked for again, and those paid for are in the journal. The pointer to
    a local model says where it lies, which the key, made from its content, does not.
    """
    if missing := store.manifest(task.stage, task.key).missing:
        return f"asking again for {missing} verdicts"
    if task.stage == "base_model" and "path" in task.knobs:
        pointed_to = read_json(store.open(task.stage, task.key) / RESULT).get("name")
        if pointed_to != task.knobs["path"]:
            return f"the model has moved to {task.knobs['path']}"
    return ""


def _run_and_collect(job: Run, workers: Workers, output: Output) -> tuple[Outcome, list[Record]]:
    """Run, and read the results; a result that does not match its digest is made again."""
    found: Counter[str] = Counter()
    while CORRUPTIONS not in found.values():
        try:
            outcome = _run_plan(job, workers, output)
            return outcome, list(_records(job, outcome))
        except CorruptArtifact as error:
            output.result.print(f"[yellow]redone[/yellow]: {escape(str(error))}", highlight=False)
            job.store.discard(error.stage, error.key)
            found[error.key] += 1
    raise TaskFailed(f"{job.places.store}: results keep changing under us. Is the disk sound?")


def _run_plan(job: Run, workers: Workers, output: Output) -> Outcome:
    stored = {task.key for task in job.plan.tasks if job.store.has(task.stage, task.key)}
    if len(stored) < len(job.plan.tasks):
        _check_keys(job, [task for task in job.plan.tasks if task.key not in stored])
        job.store.prepare()
    tasks = in_shards(job.plan.tasks, job.recipe.resources, stored)
    expected = stage_seconds(history(job.plan, job.store))
    missing = [task for task in tasks if not job.store.has(task.stage, task.key)]
    seconds = {task.key: expected[task.stage] * task.share for task in missing}
    for task in tasks:
        if task.key not in seconds:
            output.details.print(f"stored: {task.stage} {task.key}", highlight=False, soft_wrap=True)
    work, resources = partial(run_task, options=job.options), job.recipe.resources
    engine = engine_of(workers, job.store, work, resources, job.options.launch.on_each)
    users = job.plan.users
    users |= {part.key: users[task.key] for task in tasks for part in task.parts}
    with RunView(output.steps, users, seconds, workers.jobs) as view:
        return engine.run(longest_first(tasks, expected), view)


def _check_keys(job: Run, tasks: Sequence[Task]) -> None:
    """Refuse to begin what would end at the first call of an endpoint.

    Raises:
        BadInput: a key that these tasks need is not in the environment.
    """
    wanted = {knobs["key_env"] for task in tasks for knobs in task.knobs.values() if _has_key(knobs)}
    if lacking := sorted(wanted - set(os.environ)):
        raise BadInput(
            f"{job.places.recipe}: key_env: {', '.join(lacking)} is not set. Set it to the endpoint's key in "
            "the environment; it is written nowhere."
        )


def _has_key(knobs: object) -> bool:
    return isinstance(knobs, Mapping) and knobs.get("key_env") is not None


def history(plan: Plan, store: LocalStore) -> list[tuple[str, float]]:
    """(stage, wall seconds) of a plan's tasks that the store holds; torn manifests are left to the run."""
    found = []
    for task in plan.tasks:
        with suppress(CorruptArtifact):
            found.append((task.stage, store.manifest(task.stage, task.key).cost["wall_s"]))
    return found


def _records(job: Run, outcome: Outcome) -> Iterator[Record]:
    undone = set(outcome.failed) | {task.key for task in outcome.not_run}
    artifacts = Artifacts(job.store)
    for cell in job.plan.cells:
        if not undone.intersection(task.key for task in cell.tasks):
            yield collect(job.recipe, job.places.recipe.stem, cell, artifacts, job.files)


def _write_board(job: Run, records: list[Record], output: Output) -> None:
    """Write the records and the board.

    Other records stay only where they are of this very recipe and this run could not make them: a failure
    now takes no earlier result from the board.
    """
    folder = job.places.board / "records"
    written = {write_record(folder, record) for record in [*records, *_earlier(job, records)]}
    for old in set(folder.glob("*.json")) - written:
        old.unlink(missing_ok=True)
    write_results(job.places.board, job.plan.cells, job.store, {path.stem for path in written})
    print_board(write_board(job.places.board, job.recipe), output.result)
    write_overview(job.places.board.parent)
    output.steps.print(f"board: {escape(str(job.places.board / 'README.md'))}", highlight=False)


def _earlier(job: Run, records: list[Record]) -> Iterator[Record]:
    """Records on the board that this run lacks and that its recipe would still give."""
    now = records[0]
    declared = {name: declare(method) for name, method in job.recipe.methods.items()}
    made = {(record.method, record.replicate) for record in records}
    if len(made) == len(job.plan.cells):
        return
    try:
        there = read_records(job.places.board / "records")
    except BadInput:
        return
    for record in there:
        same = (record.fixed, record.title, record.baseline) == (now.fixed, now.title, now.baseline)
        wanted = (
            record.replicate in job.recipe.seeds.replicates and declared.get(record.method) == record.declared
        )
        if same and wanted and (record.method, record.replicate) not in made:
            yield record


def _summary(outcome: Outcome) -> str:
    counts = [f"{len(outcome.done)} tasks done", f"{len(outcome.stored)} found in the store"]
    if outcome.failed:
        counts += [f"{len(outcome.failed)} failed", f"{len(outcome.not_run)} not run because of them"]
    return ", ".join(counts)


def missing_verdicts(plan: Plan, store: LocalStore) -> Iterator[str]:
    """What judges gave no verdict on, and how to get it."""
    missing: Counter[str] = Counter()
    for task in plan.tasks:
        with suppress(CorruptArtifact):
            if store.has(task.stage, task.key):
                missing[task.stage] += store.manifest(task.stage, task.key).missing
    if found := {stage: count for stage, count in missing.items() if count}:
        told = ", ".join(f"{count:,} in {stage}" for stage, count in found.items())
        yield f"verdicts missing: {told}. The same command asks for them again, and for nothing else."


def _failures(outcome: Outcome, plan: Plan) -> Iterator[str]:
    users = plan.users
    for task, reason in outcome.failed.values():
        yield f"{task.stage} of {', '.join(users[task.key])} failed: {reason}"
