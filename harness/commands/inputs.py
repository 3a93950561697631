"""The files that a recipe names: where they lie, and what is in them."""

from harness.commands.places import Places
from harness.commands.task_files import code_problems
from harness.errors import BadInput
from harness.plan.draw import DataFile
from harness.recipe.data import local_files
from harness.recipe.schema import Recipe
from harness.store.digests import Digests
from harness.store.keys import content_digest


def files_of(recipe: Recipe, places: Places) -> dict[str, DataFile]:
    """Every file and folder that the recipe names, by its name there.

    Their content is read, but for large files that have not changed since a command on this store read them.

    Raises:
        BadInput: with one sentence for each that is not there, or that holds code.
    """
    named = list(local_files(recipe))
    problems = [
        f"{places.recipe}: {place}: there is no '{name}' in {places.data}. Put it there, or set HARNESS_DATA "
        f"to the folder that has it{_or_hub(place)}."
        for place, name in named
        if not (places.data / name).exists()
    ]
    if problems := problems + code_problems(recipe, places):
        raise BadInput(problems)
    paths = {name: (places.data / name).resolve() for _, name in named}
    digests = Digests(places.store)
    found = {name: DataFile(path, content_digest(path, digests.of)) for name, path in paths.items()}
    digests.keep()
    return found


def _or_hub(place: str) -> str:
    """The other remedy, where a table can also name what the hub has."""
    of_hub = place.endswith((".name", ".path"))
    return f"; or give {place.rpartition('.')[0]}.revision, if the hub has it" if of_hub else ""
