"""Records that rest on the tasks of a recipe's plan, as those of a run do; nothing is run."""

from collections.abc import Mapping

from harness.leaderboard.collect import declare, fixed_part
from harness.leaderboard.cost import FIELDS
from harness.leaderboard.record import Contests, Cost, Items, Record, TaskCost
from harness.plan.build import NO_FILES, Cell, build_plan
from harness.plan.catalog import STAGES
from harness.plan.draw import DataFile
from harness.plan.task import Task
from harness.recipe.schema import Recipe

COST = Cost.model_validate(dict.fromkeys(FIELDS, 0))
MADE_BY = {"commit": "abc", "harness": "0.1.0", "python": "3.11.7", "packages": {"torch": "2"}}


def planned_records(recipe: Recipe, files: Mapping[str, DataFile] = NO_FILES) -> list[Record]:
    """A record of each method and replicate, with one judgment; `files` are those that the recipe names."""
    return [
        Record(
            recipe="r",
            title=recipe.title,
            baseline=recipe.baseline,
            method=cell.method,
            replicate=cell.replicate,
            fixed=fixed_part(recipe),
            declared=declare(recipe.methods[cell.method]),
            order=list(recipe.methods).index(cell.method),
            comparable={"judge": "j"},
            pairs=1,
            prompts=1,
            pairs_dropped=0,
            pairs_truncated=0,
            notes=[],
            items={"alpaca_eval.win_rate": Items(ids=["p"], values=[[50.0]])},
            tasks=[_cost(task) for task in _tasks(cell)],
            training={},
            samples=[],
            provenance=MADE_BY,
            head_to_head=_contests(cell),
            files={name: file.sha256 for name, file in files.items()},
        )
        for cell in build_plan(recipe, files).cells
    ]


def _tasks(cell: Cell) -> list[Task]:
    """Each once: methods of equal outputs share a comparison."""
    return list({task.key: task for task in (*cell.tasks, *cell.contests.values())}.values())


def _cost(task: Task) -> TaskCost:
    return TaskCost(stage=task.stage, key=task.key, role=STAGES[task.stage].role, cost=COST)


def _contests(cell: Cell) -> Contests | None:
    if not cell.contests:
        return None
    none = dict.fromkeys(cell.contests, 0)
    return Contests(ids=["p"], values={other: [50.0] for other in none}, missing=none, flips=none)
