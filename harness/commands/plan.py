"""`harness plan`: what a run would do, what it would cost, and what it could tell apart."""

import math
from collections import Counter
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from harness.commands.costs import Planned, show_costs
from harness.commands.inputs import files_of
from harness.commands.output import Output
from harness.commands.places import Places
from harness.commands.run import history
from harness.commands.words import counted
from harness.errors import BadInput
from harness.leaderboard.assemble import make_table
from harness.leaderboard.record import read_records
from harness.leaderboard.statistics import smallest_detectable_difference
from harness.plan.build import Plan, build_plan
from harness.plan.catalog import STAGES
from harness.plan.costs import Estimate, Facts
from harness.plan.estimate import stage_seconds
from harness.plan.task import Task
from harness.recipe.evaluation import OFFICIAL_PROMPTS, OfficialPrompts
from harness.recipe.load import load_recipe, prompts_of
from harness.recipe.model import HfModel
from harness.recipe.schema import Recipe
from harness.store.local import LocalStore

WORST_DEVIATION = 50.0
"""Standard deviation of a verdict in points of win rate, at most: one won, one lost."""


def show_plan(
    places: Places,
    jobs: int,
    output: Output,
    parameters: float | None = None,
    throughput: str = "h100",
) -> None:
    """Print the plan of a recipe against its store; nothing is run or written.

    Args:
        places: the recipe, its store and its board.
        jobs: worker processes to plan for.
        output: where to print.
        parameters: of the base model, where they are stated.
        throughput: the GPU by which FLOPs become hours, or a number of FLOPs a second.
    """
    console = output.result
    recipe = load_recipe(places.recipe)
    files, store = files_of(recipe, places), LocalStore(places.store)
    plan = build_plan(recipe, files)
    stored = {task.key for task in plan.tasks if store.has(task.stage, task.key)}
    past = history(plan, store)
    seconds = stage_seconds(past)
    console.print(_stages(plan, stored, seconds))
    console.print(_methods(recipe))
    if tuning := recipe.tuning:
        console.print(
            f"Each method that trains is trained {counted(tuning.trials, 'time')}, and each time judged on "
            f"{tuning.prompts} x {tuning.samples_per_prompt} responses to validation prompts.",
            highlight=False,
            soft_wrap=True,
        )
    missing = [task for task in plan.tasks if task.key not in stored]
    if contests := [task for task in plan.tasks if task.stage == "head_to_head"]:
        to_run = [task for task in contests if task.key not in stored]
        console.print(_contests(recipe, contests, to_run), highlight=False, soft_wrap=True)
    show_costs(Planned(recipe, store, plan.tasks, missing, files), parameters, throughput, console)
    for task in missing:
        output.details.print(f"to run: {task.stage} {task.key}", highlight=False, soft_wrap=True)
    left = sum(seconds[task.stage] for task in missing)
    console.print(
        f"{len(missing)} of {len(plan.tasks)} tasks to run: {_duration(recipe, left, jobs, bool(past))}.",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_detectable(recipe, places), highlight=False, soft_wrap=True)


def _contests(recipe: Recipe, contests: Sequence[Task], to_run: Sequence[Task]) -> str:
    """How many comparisons of methods with each other there are; methods of equal outputs share theirs."""
    calls, left = (Estimate(Facts(0, 0, {})).add(tasks).total.calls for tasks in (contests, to_run))
    pairs, replicates = math.comb(len(recipe.methods), 2), len(recipe.seeds.replicates)
    return (
        f"Head to head: {counted(pairs, 'pair')} of methods in {counted(replicates, 'replicate')}, both ways "
        f"round where the judge sees an order: at most {calls:,.0f} judge calls, {left:,.0f} of them to make."
    )


def _duration(recipe: Recipe, seconds: float, jobs: int, past: bool) -> str:
    """How long that takes; the embedded default's figures say nothing of another model."""
    if not past and isinstance(recipe.model, HfModel):
        return "how long that takes is not known until some are done"
    basis = "this store's history" if past else "the embedded default's figures"
    return f"about {seconds / jobs / 60:.1f} min with {counted(jobs, 'job')} (estimated from {basis})"


def _stages(plan: Plan, stored: set[str], seconds: dict[str, float]) -> Table:
    table = Table(title="tasks by stage", title_justify="left")
    for column, justify in (
        ("stage", "left"),
        ("makes", "left"),
        ("stored", "right"),
        ("to run", "right"),
        ("s each", "right"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    wanted = Counter(task.stage for task in plan.tasks)
    there = Counter(task.stage for task in plan.tasks if task.key in stored)
    for name, stage in STAGES.items():
        if wanted[name]:
            run = wanted[name] - there[name]
            table.add_row(name, stage.makes, str(there[name]), str(run), f"{seconds[name]:.1f}")
    return table


def _methods(recipe: Recipe) -> Table:
    """What each method spends in one replicate."""
    table = Table(title="methods, in each replicate", title_justify="left")
    for column in ("method", "prompts", "responses = judge calls", "pairs"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for name, method in recipe.methods.items():
        if method.responses_per_prompt is None:
            table.add_row(name, "-", "-", "-")
            continue
        prompts = prompts_of(recipe, method)
        most = recipe.budget.pairs or prompts * (method.depth.pairs or 1)
        limit = "" if recipe.budget.pairs else "at most "
        table.add_row(name, str(prompts), str(prompts * method.responses_per_prompt), f"{limit}{most}")
    return table


def _detectable(recipe: Recipe, places: Places) -> str:
    """The smallest difference in win rate found with 80 % chance: measured on the board, else estimated."""
    try:
        measured = _measured(places)
    except BadInput as bad:
        return f"The board that is there cannot be used: {escape(bad.problems[0])}\n{_estimated(recipe)}"
    if measured is not None:
        return (
            f"Smallest difference in win rate that this evaluation detects (power 80 %, alpha 5 %): "
            f"{measured:.1f} points, by the spread on the board that is there."
        )
    return _estimated(recipe)


def _measured(places: Places) -> float | None:
    folder = places.board / "records"
    records = read_records(folder) if folder.is_dir() else []
    return make_table(records).smallest_detectable_difference if records else None


def _estimated(recipe: Recipe) -> str:
    """From prompts x replicates: several samples of one prompt are not independent, so they do not count."""
    prompts = recipe.evaluation.alpaca_eval.prompts
    count = OFFICIAL_PROMPTS if isinstance(prompts, OfficialPrompts) else prompts.count
    if count is None:
        return "How small a difference the evaluation detects depends on how many prompts its file has."
    verdicts = count * len(recipe.seeds.replicates)
    error = math.sqrt(2) * WORST_DEVIATION / math.sqrt(verdicts)
    size = smallest_detectable_difference(error, max(verdicts - 1, 1))
    return (
        f"Smallest difference in win rate that {verdicts} verdicts (prompts x replicates) detect (power 80 "
        f"%, alpha 5 %): about {size:.1f} points, if nothing but single verdicts varied; expect more. The "
        "board will tell."
    )
