"""Whether a recipe would still give a board's records, and what has changed if not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.leaderboard.collect import declare, fixed_part
from harness.leaderboard.layout import dotted, whole
from harness.leaderboard.record import Record
from harness.leaderboard.stale_keys import key_changes
from harness.leaderboard.table import Table
from harness.plan.build import NO_FILES
from harness.plan.draw import DataFile
from harness.recipe.data import local_files
from harness.recipe.schema import Recipe


def with_recipe(table: Table, records: Sequence[Record], recipe: Recipe | None) -> Table:
    """The table with what is otherwise in `recipe` now than in its records; as it is where there is none.

    What its files hold now is left out, so that a board does not depend on which files are there.
    """
    if recipe is None:
        return table
    there = {record.method for record in records}
    return replace(
        table,
        recipe_changes=changes(records, recipe),
        unrecorded=[method for method in recipe.methods if method not in there],
    )


def changes(records: Sequence[Record], recipe: Recipe, files: Mapping[str, DataFile] = NO_FILES) -> list[str]:
    """Why a run of `recipe` would not give these records now, a sentence each: its settings, then keys.

    Args:
        records: of one board.
        recipe: as it is now.
        files: what it names, as it is now. The others are taken to be what the records state; where those
            do not state one, keys cannot be compared, and are not.
    """
    settings = list(_settings_changed(records, recipe))
    stated = {name: DataFile(Path(name), sha) for record in records for name, sha in record.files.items()}
    known = stated | dict(files)
    if any(name not in known for _, name in local_files(recipe)):
        return settings
    otherwise = "has another key now, with other settings" if settings else "has another key now"
    return [*settings, *key_changes(records, recipe, known, otherwise)]


def _settings_changed(records: Sequence[Record], recipe: Recipe) -> Iterator[str]:
    """A sentence for each setting that is another now, and for each method that is gone."""
    first = records[0]
    declared = {record.method: record.declared for record in records}
    before, now = _settings(first, declared, recipe)
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key, "not set"), now.get(key, "not set")
        if old != new:
            yield f"{key}: is {new} now, was {old}"
    for method in sorted(declared.keys() - recipe.methods.keys()):
        yield f"methods.{method}: is not in the recipe any more"


def _settings(
    first: Record, declared: Mapping[str, dict[str, Any]], recipe: Recipe
) -> tuple[dict[str, str], dict[str, str]]:
    """Dotted key -> JSON value, of the records and of the recipe; methods that only one has are left out.

    The records are read as a recipe of today, so that a setting that came later with a default is no change;
    where that cannot be, as they stand.
    """
    kept = {name: recipe.methods[name] for name in declared if name in recipe.methods}
    now = recipe.model_copy(update={"methods": kept})
    document = {"title": first.title, "baseline": first.baseline} | first.fixed | {"methods": declared}
    try:
        read = Recipe.model_validate_json(json.dumps(document))
    except ValidationError:
        written = {name: declare(method) for name, method in kept.items()}
        before = _dotted(first.title, first.baseline, first.fixed, {name: declared[name] for name in kept})
        return before, _dotted(recipe.title, recipe.baseline, fixed_part(recipe), written)
    past = read.model_copy(update={"methods": {name: read.methods[name] for name in kept}})
    return _whole_recipe(past), _whole_recipe(now)


def _whole_recipe(recipe: Recipe) -> dict[str, str]:
    methods = {name: method.model_dump(mode="json") for name, method in recipe.methods.items()}
    return _dotted(recipe.title, recipe.baseline, fixed_part(recipe), methods)


def _dotted(
    title: str, baseline: str, fixed: Mapping[str, Any], methods: Mapping[str, Any]
) -> dict[str, str]:
    return dotted(whole({"title": title, "baseline": baseline} | dict(fixed) | {"methods": methods}))
