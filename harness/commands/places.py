"""Where things lie: a recipe's project, its store, its board and its data."""

import os
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BadInput


@dataclass(frozen=True)
class Places:
    """A recipe's file, the store it fills, the folder of its board, and where the files lie that it names."""

    recipe: Path
    store: Path
    board: Path
    data: Path


def places_of(recipe: Path, store: Path | None = None, boards: Path | None = None) -> Places:
    """The store is `.harness/` in the recipe's project, boards are `leaderboards/` beside `recipes/`.

    The project is the folder that holds `recipes/` (the recipe may lie in a folder inside), or the recipe's
    own folder. `store` or the
    environment variable HARNESS_STORE, and `boards`, name other places. Files that the recipe names lie in
    HARNESS_DATA, else in `data/` beside `recipes/`.

    Raises:
        BadInput: the board would not lie in a folder of its own, as `...toml` gives `..`, or that folder's
            name would break or reorder the lines that show it.
    """
    if recipe.stem in {"", ".", ".."} or not recipe.stem.isprintable():
        raise BadInput(
            f"{ascii(str(recipe))[1:-1]}: a board is named after its recipe, and {recipe.stem!a} cannot name "
            "a folder. Rename the file."
        )
    folder = recipe.parent
    above = [folder, folder.parent] if folder.parent != folder else [folder]
    project = next((each.parent for each in above if each.resolve().name == "recipes"), folder)
    named = os.environ.get("HARNESS_STORE")
    return Places(
        recipe=recipe,
        store=store or (Path(named) if named else project / ".harness"),
        board=(boards or project / "leaderboards") / recipe.stem,
        data=Path(os.environ.get("HARNESS_DATA") or project / "data"),
    )
