"""`harness export`: a trained policy in the formats that others read, and on request to the hub."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

import harness
from harness.commands.chosen import chosen_cells
from harness.commands.places import Places
from harness.errors import BadInput, CorruptArtifact, StoreError
from harness.leaderboard.assemble import make_table
from harness.leaderboard.record import read_records
from harness.leaderboard.scores import WIN_RATE
from harness.leaderboard.text import markdown, plain
from harness.models.hub import push
from harness.plan.build import Cell
from harness.recipe.pool import DatasetPrompts
from harness.recipe.schema import Recipe
from harness.store.formats import RESULT, read_json
from harness.store.local import LocalStore
from harness.training.export import Card, export_policy


def export(
    places: Places, method: str, replicate: int | None, to: Path, repository: str | None, console: Console
) -> None:
    """Write a method's adapter or model with its card into a folder; push it where a repository is named.

    Raises:
        BadInput: the recipe has no such method or replicate, it trains nothing, the folder is not empty, or
            the hub refuses.
        StoreError: the method is not trained yet.
    """
    recipe, cells = chosen_cells(places, method, replicate)
    cell = cells[method]
    if "adapter" not in cell.ends:
        raise BadInput(f"{places.recipe}: methods.{method}: trains nothing, so there is nothing to export.")
    base, trained = _folder(places, cell, "base_model"), _folder(places, cell, "adapter")
    card = Card(
        recipe=markdown(recipe.title),
        name=method,
        method=recipe.methods[method].model_dump(mode="json", exclude_none=True),
        training=_training(recipe, cell, trained),
        data=_data(recipe),
        version=harness.__version__,
        score=_score(places, method),
        licence=_licence(base),
    )
    for name in export_policy(base, trained, to, card):
        console.print(escape(str(to / name)), highlight=False)
    if repository is not None:
        console.print(f"pushed: {escape(push(to, repository))}", highlight=False)


def _folder(places: Places, cell: Cell, role: str) -> Path:
    task, store = cell.ends[role], LocalStore(places.store)
    try:
        return store.open(task.stage, task.key)
    except CorruptArtifact as error:
        what = f"changed on disk ({error})" if store.has(task.stage, task.key) else "is not there"
        raise StoreError(
            f"{places.store}: the {role} of '{cell.label}' {what}. "
            f"Run the recipe, which makes it: harness run {places.recipe}"
        ) from None


def _training(recipe: Recipe, cell: Cell, trained: Path) -> dict[str, Any]:
    """As declared for the method; what tuning chose instead stands beside it."""
    method = recipe.methods[cell.method]
    tables = {"training": recipe.training_of(method), "loss": recipe.loss_of(method)}
    told: dict[str, Any] = {name: table.model_dump(mode="json") for name, table in tables.items()}
    tuning = read_json(trained / RESULT).get("tuning")
    chosen = {"chosen by tuning": tuning["trials"][tuning["chosen"]]["settings"]} if tuning else {}
    return told | {"replicate": cell.replicate} | chosen


def _data(recipe: Recipe) -> str:
    """Where prompts, responses and scores come from."""
    pool, place = recipe.pool, "the embedded Atlas world"
    if isinstance(pool.prompts, DatasetPrompts):
        revision = pool.prompts.revision
        place = f"`{plain(pool.prompts.path).replace('`', '')}`" + (
            f" at revision `{revision}`" if revision else ""
        )
    judge = getattr(pool.judge, "name", None) or getattr(pool.judge, "model", None)
    by = f"{pool.judge.kind} judge" + (f" `{judge}`" if judge else "")
    return f"prompts of {place}; responses of kind '{pool.responses.kind}'; scores by the {by}."


def _licence(base: Path) -> str:
    with suppress(OSError, ValueError):
        said = str(read_json(base / RESULT).get("licence") or "").strip("\"'")
        return said if re.fullmatch(r"[\w.+-]+", said) else ""  # the model's own card may say anything
    return ""


def _score(places: Places, method: str) -> str:
    """The method's line on the board; empty where there is none."""
    folder = places.board / "records"
    with suppress(BadInput):
        for row in make_table(read_records(folder)).rows if folder.is_dir() else ():
            score = row.scores.get(WIN_RATE)
            if row.method == method and row.rank is not None and score is not None:
                return (
                    f"rank {row.rank} (equal ranks are ties), win rate {score.mean:.1f} %, "
                    f"mean over {len(row.seeds)} replicates"
                )
    return ""
