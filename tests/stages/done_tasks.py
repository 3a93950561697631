"""Tasks of a recipe document, done as the engine does them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recipe_documents import REAL, recipe

from harness.commands.inputs import files_of
from harness.commands.places import Places
from harness.plan.draw import Draw
from harness.plan.task import Task, in_order
from harness.stages.run import run_task
from harness.store.local import LocalStore

TINY = REAL | {"model": {"kind": "random", "hidden": 16, "layers": 1, "max_length": 512}}
"""A recipe of real data with a model that takes no time; its tokens are bytes."""


def draw_in(folder: Path, **changes: Any) -> Draw:
    """TINY, changed, under replicate 0; its files lie in the folder."""
    found = recipe(TINY, **changes)
    return Draw(found, 0, files_of(found, Places(folder / "r.toml", folder, folder, folder)))


def done(store: Path, task: Task) -> Path:
    """The artifact of a task; what is stored already is not done again."""
    kept = LocalStore(store)
    kept.prepare()
    for each in in_order([task]):
        if not kept.has(each.stage, each.key):
            run_task(each, store, lambda *_: None)
    return kept.open(task.stage, task.key)


def cost_of(store: Path, task: Task) -> dict[str, float]:
    """What a done task cost."""
    return dict(LocalStore(store).manifest(task.stage, task.key).cost)


def write_lines(path: Path, rows: Iterable[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
