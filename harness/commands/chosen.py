"""A method and a replicate that the user names."""

from harness.commands.inputs import files_of
from harness.commands.places import Places
from harness.errors import BadInput
from harness.plan.build import Cell, build_plan
from harness.recipe.load import load_recipe
from harness.recipe.schema import Recipe
from harness.recipe.wording import suggestion


def chosen_cells(places: Places, method: str, replicate: int | None) -> tuple[Recipe, dict[str, Cell]]:
    """The recipe, and the cells of one replicate, its first if none is named, by method.

    Raises:
        BadInput: the recipe has no such method or replicate.
    """
    recipe = load_recipe(places.recipe)
    if method not in recipe.methods:
        hint = suggestion(method, list(recipe.methods))
        raise BadInput(f"{places.recipe}: methods: no method is called '{method}'.{hint}")
    wanted = recipe.seeds.replicates[0] if replicate is None else replicate
    if wanted not in recipe.seeds.replicates:
        known = ", ".join(map(str, recipe.seeds.replicates))
        raise BadInput(f"{places.recipe}: seeds.replicates: there is no replicate {wanted}. Known: {known}.")
    cells = build_plan(recipe, files_of(recipe, places)).cells
    return recipe, {cell.method: cell for cell in cells if cell.replicate == wanted}
