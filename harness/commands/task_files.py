"""The task files of lm-evaluation-harness that a recipe includes: data, of which nothing is run as code."""

from contextlib import suppress
from itertools import islice
from pathlib import Path

from harness.commands.places import Places
from harness.recipe.schema import Recipe

SUFFIXES = {".yaml", ".yml"}
FUNCTION = "!function"
"""The tag by which a value is code: lm-eval imports the Python file that it names."""

MOST_FILES = 20_000
"""In a folder and all below it. Far more than any model or set of tasks has, far less than a disk."""

MOST_DEPTH = 100
"""Levels to which a task file is searched. No task has more than a few."""


def files_below(folder: Path) -> list[Path]:
    """What a folder and those below it hold, as far as they can be read; one more than MOST_FILES at most."""
    found = list[Path]()
    with suppress(OSError):
        found.extend(islice(folder.rglob("*"), MOST_FILES + 1))
    return found


def code_problems(recipe: Recipe, places: Places) -> list[str]:
    """One sentence for each value that is code, in a YAML file below the folder `evaluation.lm_eval.include`.

    The door to lm-eval refuses them too, in whatever file: one may include others from elsewhere, and change
    after it was looked at here.
    """
    table = recipe.evaluation.lm_eval
    if table is None or table.include is None:
        return []
    files = files_below(places.data / table.include)
    if len(files) > MOST_FILES:
        return []  # it is refused for that when it is read
    return [
        f"{places.recipe}: evaluation.lm_eval.include: {file}: line {line}: must not name code. "
        f"Got '{FUNCTION}'. Write the task without it: nothing that a recipe brings is run."
        for file in sorted(files)
        if file.suffix in SUFFIXES and file.is_file()
        for line in _functions(file)
    ]


def _functions(file: Path) -> list[int]:
    """The lines on which a value is code, as far as the file is YAML and not too deep."""
    import yaml

    found = list[int]()
    depth, parser = (
        0,
        getattr(yaml, "CSafeLoader", yaml.SafeLoader),
    )  # lm-eval's; the other is a hundred times slower
    with suppress(OSError, ValueError, yaml.YAMLError), file.open("rb") as stream:
        for event in yaml.parse(stream, parser):
            if getattr(event, "tag", None) == FUNCTION:
                found.append(event.start_mark.line + 1)
            starts, ends = (
                isinstance(event, kind) for kind in (yaml.CollectionStartEvent, yaml.CollectionEndEvent)
            )
            depth += starts - ends
            if depth > MOST_DEPTH:  # each level takes the parser longer than the last
                break
    return found
