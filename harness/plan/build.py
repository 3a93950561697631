"""Recipe -> Plan: which tasks each method needs under each seed; shared tasks have one key and run once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType

from harness.plan.draw import DataFile, Draw
from harness.plan.evaluation import contest_tasks, evaluation_tasks
from harness.plan.model import base_task
from harness.plan.pool import lint_task
from harness.plan.selection import pairs_task
from harness.plan.task import Task, in_order
from harness.plan.training import adapter_task
from harness.recipe.schema import Method, Recipe

NO_FILES: Mapping[str, DataFile] = MappingProxyType({})


@dataclass(frozen=True)
class Cell:
    """One method under one seed, and the tasks whose artifacts its record is made from, by role.

    Roles: `base_model`, `held_out`, `reference`, `outputs`, `alpaca_eval`, and, where the method has
    them, `lint`, `pairs`, `adapter`, `lm_eval`, `mt_bench`, `preference`, `knowledge`.

    `contests` are its comparisons with other methods, by their names. What those need is the other method's,
    so they are not among the cell's tasks, and a record can do without any of them.
    """

    method: str
    replicate: int
    ends: Mapping[str, Task]
    contests: Mapping[str, Task] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """`method/replicate`."""
        return f"{self.method}/{self.replicate}"

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Everything the cell needs, inputs before users."""
        return in_order(self.ends.values())


@dataclass(frozen=True)
class Plan:
    """All cells of a recipe, and their tasks once each, inputs before users."""

    cells: tuple[Cell, ...]
    tasks: tuple[Task, ...]

    @property
    def users(self) -> dict[str, tuple[str, ...]]:
        """The labels of the cells that need each task, by key."""
        found: dict[str, list[str]] = {}
        for cell in self.cells:
            for task in (*cell.tasks, *cell.contests.values()):
                found.setdefault(task.key, []).append(cell.label)
        return {key: tuple(labels) for key, labels in found.items()}


def build_plan(recipe: Recipe, files: Mapping[str, DataFile] = NO_FILES) -> Plan:
    """The plan of a recipe, which names these files: every method under every replicate."""
    cells = tuple(
        cell for replicate in recipe.seeds.replicates for cell in _cells(Draw(recipe, replicate, files))
    )
    ends = (end for cell in cells for end in cell.ends.values())
    contests = (contest for cell in cells for contest in cell.contests.values())
    return Plan(cells, in_order(chain(ends, contests)))


def _cells(draw: Draw) -> Iterator[Cell]:
    base, recipe = base_task(draw), draw.recipe
    trained = {
        name: _training(draw, method, base) for name, method in recipe.methods.items() if method.trains
    }
    policies = {
        name: {"base_model": base} | ({"adapter": trained[name]["adapter"]} if name in trained else {})
        for name in recipe.methods
    }
    lint = lint_task(draw, base)
    checked = {"lint": lint} if lint else {}
    ends = {
        name: {
            "base_model": base,
            **checked,
            **trained.get(name, {}),
            **evaluation_tasks(draw, name, policies),
        }
        for name in recipe.methods
    }
    contests = contest_tasks(draw, {name: mine["outputs"] for name, mine in ends.items()})
    for name in recipe.methods:
        yield Cell(name, draw.replicate, ends[name], contests[name])


def _training(draw: Draw, method: Method, base: Task) -> dict[str, Task]:
    pairs = pairs_task(draw, method, base)
    return {"pairs": pairs, "adapter": adapter_task(draw, method, base, pairs)}
