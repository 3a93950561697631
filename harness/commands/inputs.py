"""The files that a recipe names: where they lie, and what is in them."""

from pathlib import Path

from harness.commands.places import Places
from harness.errors import BadInput
from harness.plan.draw import DataFile
from harness.recipe.data import local_files
from harness.recipe.schema import Recipe
from harness.store.keys import digest, file_digest


def files_of(recipe: Recipe, places: Places) -> dict[str, DataFile]:
    """Every file and folder that the recipe names, by its name there.

    Raises:
        BadInput: with one sentence for each that is not there.
    """
    found: dict[str, DataFile] = {}
    problems = []
    for place, name in local_files(recipe):
        path = places.data / name
        if path.exists():
            found[name] = DataFile(path.resolve(), _content(path))
        else:
            problems.append(
                f"{places.recipe}: {place}: there is no '{name}' in {places.data}. Put it there, set "
                "HARNESS_DATA to the folder that has it, or give a revision of the hub."
            )
    if problems:
        raise BadInput(problems)
    return found


def _content(path: Path) -> str:
    """SHA-256 of a file; of a folder, that of its files' names and digests."""
    if path.is_file():
        return file_digest(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return digest({file.relative_to(path).as_posix(): file_digest(file) for file in files})
