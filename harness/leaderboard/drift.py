"""Whether a recipe still is what a board's records were made with, and what has changed if not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from harness.leaderboard.collect import declare, fixed_part
from harness.leaderboard.layout import dotted, whole
from harness.leaderboard.record import Record
from harness.leaderboard.table import Table
from harness.recipe.schema import Recipe


def with_recipe(table: Table, records: Sequence[Record], recipe: Recipe | None) -> Table:
    """The table with what `recipe` says now that its records do not hold; as it is where there is none."""
    if recipe is None:
        return table
    there = {record.method for record in records}
    return replace(
        table,
        recipe_changes=list(_changes(records, recipe)),
        unrecorded=[method for method in recipe.methods if method not in there],
    )


def _changes(records: Sequence[Record], recipe: Recipe) -> Iterator[str]:
    """A sentence for each setting that is another now, and for each method that is gone."""
    first = records[0]
    declared = {record.method: record.declared for record in records}
    before, now = _settings(first, declared, recipe)
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key, "not set"), now.get(key, "not set")
        if old != new:
            yield f"{key}: is {new} now, was {old}"
    for method in declared.keys() - recipe.methods.keys():
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
