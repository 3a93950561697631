"""The default recipe's tasks for one method, made once in a process, to be run again under a clock."""

import atexit
import importlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.commands import ROOT
from harness.metering import Meter
from harness.plan.build import build_plan
from harness.plan.task import Task
from harness.recipe.load import load_recipe
from harness.stages.job import Job
from harness.stages.run import run_task
from harness.store.local import LocalStore

RECIPE, METHOD, REPLICATE = ROOT / "recipes" / "bpo.toml", "balanced", 0


@dataclass(frozen=True)
class Prepared:
    """Tasks by the name of their stage, and the store that holds what they made."""

    store: LocalStore
    tasks: Mapping[str, Task]

    def folder(self, stage: str) -> Path:
        """What a stage made."""
        return self.store.folder(stage, self.tasks[stage].key)

    def again(self, stage: str) -> None:
        """Run a stage once more, on the same inputs, into a folder that is thrown away."""
        task = self.tasks[stage]
        inputs = {name: self.store.folder(needed.stage, needed.key) for name, needed in task.inputs.items()}
        with tempfile.TemporaryDirectory() as out, tempfile.TemporaryDirectory() as scratch:
            work = importlib.import_module(f"harness.stages.{stage}")
            with Meter() as meter:
                work.run(Job(task.params, inputs, Path(out), meter, _ignore, lambda: Path(scratch)))


@cache
def prepared() -> Prepared:
    """All that `balanced` needs for its training in `recipes/bpo.toml`, the training included."""
    root = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    store = LocalStore(root)
    store.prepare()
    cells = build_plan(load_recipe(RECIPE)).cells
    cell = next(cell for cell in cells if (cell.method, cell.replicate) == (METHOD, REPLICATE))
    wanted = _needed(cell.ends["adapter"])
    for task in cell.tasks:
        if task.key in wanted:
            run_task(task, root, _ignore)
    return Prepared(store, {task.stage: task for task in cell.tasks if task.key in wanted})


def _needed(task: Task) -> set[str]:
    return {task.key}.union(*(_needed(needed) for needed in task.inputs.values()))


def _ignore(_done: int, _of: int) -> None:
    pass
