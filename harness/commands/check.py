"""`harness check`: every problem of every recipe, at once."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.commands.places import places_of
from harness.commands.task_files import task_problems
from harness.commands.words import counted, harmless
from harness.errors import BadInput
from harness.recipe.load import load_recipe


@dataclass(frozen=True)
class Checked:
    """What is wrong with a recipe; where nothing is, how many methods and replicates it has."""

    recipe: str
    problems: Sequence[str]
    methods: int | None = None
    replicates: int | None = None


def check(recipes: Sequence[Path], as_json: bool = False) -> Iterator[str]:
    """Give one line for each recipe that is right; with `as_json` a list of `Checked`, one for each recipe.

    Raises:
        BadInput: at the end, with the problems of all recipes that are not.
    """
    found = [_checked(path) for path in recipes]
    if as_json:
        yield json.dumps([asdict(one) for one in found], indent=1)
    else:
        yield from (harmless(_line(one)) for one in found if not one.problems)
    if problems := [problem for one in found for problem in one.problems]:
        raise BadInput(problems)


def _checked(path: Path) -> Checked:
    try:
        recipe = load_recipe(path)
        if problems := task_problems(recipe, places_of(path)):
            return Checked(str(path), problems)
    except BadInput as error:
        return Checked(str(path), error.problems)
    return Checked(str(path), (), len(recipe.methods), len(recipe.seeds.replicates))


def _line(one: Checked) -> str:
    assert one.methods is not None
    assert one.replicates is not None
    return f"{one.recipe}: ok, {counted(one.methods, 'method')} x {counted(one.replicates, 'replicate')}"
