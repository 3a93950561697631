"""`harness check`: every problem of every recipe, at once."""

from collections.abc import Sequence
from pathlib import Path

from harness.errors import BadInput
from harness.recipe.load import load_recipe


def check(recipes: Sequence[Path]) -> list[str]:
    """One line for each recipe that is right.

    Raises:
        BadInput: with the problems of all recipes that are not.
    """
    lines: list[str] = []
    problems: list[str] = []
    for path in recipes:
        try:
            recipe = load_recipe(path)
        except BadInput as error:
            problems += error.problems
            continue
        lines.append(f"{path}: ok, {len(recipe.methods)} methods x {len(recipe.seeds.replicates)} replicates")
    if problems:
        raise BadInput([*lines, *problems])
    return lines
