"""`harness check`: every problem of every recipe, at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.commands.words import counted, harmless
from harness.errors import BadInput
from harness.recipe.load import load_recipe


def check(recipes: Sequence[Path]) -> Iterator[str]:
    """Give one line for each recipe that is right.

    Raises:
        BadInput: at the end, with the problems of all recipes that are not.
    """
    problems: list[str] = []
    for path in recipes:
        try:
            recipe = load_recipe(path)
        except BadInput as error:
            problems += error.problems
            continue
        methods = counted(len(recipe.methods), "method")
        yield harmless(f"{path}: ok, {methods} x {counted(len(recipe.seeds.replicates), 'replicate')}")
    if problems:
        raise BadInput(problems)
