"""The task files of lm-evaluation-harness that a recipe includes: data, of which nothing is run as code."""

from collections.abc import Iterator
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


def task_problems(recipe: Recipe, places: Places) -> list[str]:
    """A sentence for each value that is code, and each fault, in YAML below `evaluation.lm_eval.include`.

    The door to lm-eval refuses code too, in whatever file: one may include others from elsewhere, and change
    after it was looked at here.
    """
    table = recipe.evaluation.lm_eval
    if table is None or table.include is None:
        return []
    files = files_below(places.data / table.include)
    if len(files) > MOST_FILES:
        return []  # it is refused for that when it is read
    return [
        f"{places.recipe}: evaluation.lm_eval.include: {file}: {problem}"
        for file in sorted(files)
        if file.suffix in SUFFIXES and file.is_file()
        for problem in _problems(file)
    ]


def _problems(file: Path) -> Iterator[str]:
    import yaml

    parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # lm-eval's; the other is a hundred times slower
    depth = 0
    try:
        with file.open("rb") as stream:
            for event in yaml.parse(stream, parser):
                if getattr(event, "tag", None) == FUNCTION:
                    yield (
                        f"line {event.start_mark.line + 1}: must not name code. Got '{FUNCTION}'. Write the "
                        "task without it: nothing that a recipe brings is run."
                    )
                depth += isinstance(event, yaml.CollectionStartEvent)
                depth -= isinstance(event, yaml.CollectionEndEvent)
                if depth > MOST_DEPTH:  # each level takes the parser longer than the last
                    yield f"line {event.start_mark.line + 1}: must not nest deeper than {MOST_DEPTH} levels."
                    return
    except (OSError, ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        yield f"{place}is no YAML that can be read: {reason}. Mend it, or take it out of that folder."
