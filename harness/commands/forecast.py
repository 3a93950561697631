"""What `harness plan` says, as data: with `--json` under these names, else in sentences and tables."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.commands.costs import Costs, Planned, Stated, costs_of
from harness.commands.inputs import files_of
from harness.commands.places import Places
from harness.commands.run import history
from harness.errors import BadInput
from harness.leaderboard.assemble import make_table
from harness.leaderboard.record import read_records
from harness.leaderboard.statistics import smallest_detectable_difference
from harness.plan.amounts import Facts
from harness.plan.build import Plan, build_plan
from harness.plan.catalog import STAGES, stage_seconds
from harness.plan.costs import Estimate
from harness.plan.task import Task
from harness.recipe.evaluation import OFFICIAL_PROMPTS, OfficialPrompts
from harness.recipe.load import load_recipe, prompts_of
from harness.recipe.model import HfModel
from harness.recipe.schema import Recipe
from harness.recipe.tuning import Tuning
from harness.store.local import LocalStore

WORST_DEVIATION = 50.0
"""Standard deviation of a verdict in points of win rate, at most: one won, one lost."""


@dataclass(frozen=True)
class StageTasks:
    """The tasks of one stage: what one makes, how many there are, and the wall seconds that one takes."""

    stage: str
    makes: str
    stored: int
    to_run: int
    seconds_each: float


@dataclass(frozen=True)
class MethodSpends:
    """What a method spends in one replicate; `pairs` at most, where `pairs_exact` is false.

    None where the method is not trained on preferences. Every response is one judge call.
    """

    method: str
    prompts: int | None
    responses: int | None
    pairs: int | None
    pairs_exact: bool


@dataclass(frozen=True)
class ToRun:
    """A task that the store lacks."""

    stage: str
    key: str


@dataclass(frozen=True)
class Detectable:
    """The smallest difference in win rate found with 80 % chance, in points; None where nothing says it.

    By the spread on the `board` that is there, else by the number of `verdicts` (prompts x replicates).
    `board_problem` says why a board that is there could not be used.
    """

    points: float | None
    basis: Literal["board", "verdicts"]
    verdicts: int | None = None
    board_problem: str | None = None


@dataclass(frozen=True)
class Contests:
    """Methods judged side by side: pairs, replicates, and the judge's calls, all and those to make.

    Calls are at most: methods of equal outputs share theirs.
    """

    pairs: int
    replicates: int
    judge_calls: float
    judge_calls_to_run: float


@dataclass(frozen=True)
class Forecast:
    """What a run would do.

    `tasks` counts all, `to_run` lists those the store lacks; they take `seconds` with `jobs` workers, None
    where that is not known, by the store's `history` or the embedded `default`'s figures. `costs` is None
    where a formula says nothing.
    """

    recipe: str
    tasks: int
    stages: list[StageTasks]
    methods: list[MethodSpends]
    tuning: Tuning | None
    head_to_head: Contests | None
    costs: Costs | None
    to_run: list[ToRun]
    jobs: int
    seconds: float | None
    seconds_basis: Literal["history", "default"] | None
    detectable: Detectable


def forecast(places: Places, jobs: int, stated: Stated) -> Forecast:
    """The forecast of a recipe against its store; nothing is run or written.

    Raises:
        BadInput: the recipe, a file that it names or the throughput is wrong.
    """
    recipe = load_recipe(places.recipe)
    files, store = files_of(recipe, places), LocalStore(places.store)
    plan = build_plan(recipe, files)
    missing = [task for task in plan.tasks if not store.has(task.stage, task.key)]
    past = history(plan, store)
    each = stage_seconds(past)
    known = bool(past) or not isinstance(recipe.model, HfModel)
    basis: Literal["history", "default"] = "history" if past else "default"
    return Forecast(
        recipe=places.recipe.stem,
        tasks=len(plan.tasks),
        stages=list(_stages(plan, Counter(task.stage for task in missing), each)),
        methods=list(_methods(recipe)),
        tuning=recipe.tuning,
        head_to_head=_contests(recipe, plan, missing),
        costs=costs_of(Planned(recipe, store, plan.tasks, missing, files), stated),
        to_run=[ToRun(task.stage, task.key) for task in missing],
        jobs=jobs,
        seconds=sum(each[task.stage] for task in missing) / jobs if known else None,
        seconds_basis=basis if known else None,
        detectable=_detectable(recipe, places),
    )


def _stages(plan: Plan, missing: Counter[str], each: dict[str, float]) -> Iterator[StageTasks]:
    wanted = Counter(task.stage for task in plan.tasks)
    for name, stage in STAGES.items():
        if wanted[name]:
            yield StageTasks(name, stage.makes, wanted[name] - missing[name], missing[name], each[name])


def _methods(recipe: Recipe) -> Iterator[MethodSpends]:
    for name, method in recipe.methods.items():
        if method.responses_per_prompt is None:
            yield MethodSpends(name, None, None, None, True)
            continue
        prompts = prompts_of(recipe, method)
        most = recipe.budget.pairs or prompts * (method.depth.pairs or 1)
        exact = bool(recipe.budget.pairs)
        yield MethodSpends(name, prompts, prompts * method.responses_per_prompt, most, exact)


def _contests(recipe: Recipe, plan: Plan, missing: Sequence[Task]) -> Contests | None:
    def calls(tasks: Sequence[Task]) -> float:
        contests = [task for task in tasks if task.stage == "head_to_head"]
        return Estimate(Facts(0, 0, {})).add(contests).total.calls

    if all(task.stage != "head_to_head" for task in plan.tasks):
        return None
    pairs, replicates = math.comb(len(recipe.methods), 2), len(recipe.seeds.replicates)
    return Contests(pairs, replicates, calls(plan.tasks), calls(missing))


def _detectable(recipe: Recipe, places: Places) -> Detectable:
    """Measured on the board, else estimated."""
    try:
        measured = _measured(places)
    except BadInput as bad:
        return _estimated(recipe, bad.problems[0])
    return _estimated(recipe) if measured is None else Detectable(measured, "board")


def _measured(places: Places) -> float | None:
    folder = places.board / "records"
    records = read_records(folder) if folder.is_dir() else []
    return make_table(records).smallest_detectable_difference if records else None


def _estimated(recipe: Recipe, problem: str | None = None) -> Detectable:
    """From prompts x replicates: several samples of one prompt are not independent, so they do not count."""
    prompts = recipe.evaluation.alpaca_eval.prompts
    count = OFFICIAL_PROMPTS if isinstance(prompts, OfficialPrompts) else prompts.count
    if count is None:
        return Detectable(None, "verdicts", None, problem)
    verdicts = count * len(recipe.seeds.replicates)
    error = math.sqrt(2) * WORST_DEVIATION / math.sqrt(verdicts)
    size = smallest_detectable_difference(error, max(verdicts - 1, 1))
    return Detectable(size, "verdicts", verdicts, problem)
