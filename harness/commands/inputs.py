"""The files that a recipe names: where they lie, and what is in them."""

from collections.abc import Iterator
from pathlib import Path

from harness.commands.places import Places
from harness.commands.task_files import MOST_FILES, files_below, task_problems
from harness.errors import BadInput
from harness.plan.draw import DataFile
from harness.recipe.data import local_files
from harness.recipe.schema import Recipe
from harness.store.digests import Digests
from harness.store.keys import content_digest

FILES = (".path", ".template", ".questions")
"""How the places end that name a file; all others name a folder."""


def files_of(recipe: Recipe, places: Places) -> dict[str, DataFile]:
    """Every file and folder that the recipe names, by its name there.

    Their content is read, but for large files that have not changed since a command on this store read them.

    Raises:
        BadInput: with one sentence for each that is not there, cannot be read, or holds code.
    """
    named = list(local_files(recipe))
    problems = [
        f"{places.recipe}: {place}: {problem}"
        for place, name in named
        for problem in _problems(place, name, places.data)
    ]
    if problems := problems + task_problems(recipe, places):
        raise BadInput(problems)
    paths = {name: (places.data / name).resolve() for _, name in named}
    digests = Digests(places.store)
    try:
        found = {name: DataFile(path, content_digest(path, digests.of)) for name, path in paths.items()}
    except OSError as error:
        raise BadInput(f"{error.filename}: cannot be read: {error.strerror}. Correct it.") from None
    digests.keep()
    return found


def _problems(place: str, name: str, data: Path) -> Iterator[str]:
    kind = "file" if place.endswith(FILES) else "folder"
    try:
        there = (data / name).is_file() if kind == "file" else (data / name).is_dir()
    except OSError:  # for one, a name longer than the file system takes
        there = False
    if not there:
        yield (
            f"there is no {kind} '{name}' in {data}. Put it there, or set HARNESS_DATA to the folder that "
            f"has it{_or_hub(place)}."
        )
    elif kind == "folder" and len(files_below(data / name)) > MOST_FILES:
        yield f"the folder '{name}' holds more than {MOST_FILES:,} files. Name one with what is meant."


def _or_hub(place: str) -> str:
    """The other remedy, where a table can also name what the hub has."""
    of_hub = place.endswith((".name", ".path"))
    return f"; or give {place.rpartition('.')[0]}.revision, if the hub has it" if of_hub else ""
