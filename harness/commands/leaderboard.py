"""`harness leaderboard`: make boards again from their records, or say which are stale."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness.commands.places import places_of
from harness.commands.words import counted
from harness.errors import BadInput, StaleBoard
from harness.leaderboard.board import stale_files, write_board
from harness.leaderboard.terminal import print_board


def leaderboard(recipes: Sequence[Path], boards: Path | None, check: bool, console: Console) -> None:
    """Write the boards, or with `check` only compare them with what their records give.

    Raises:
        BadInput: if there is no board to make.
        StaleBoard: with `check`, naming every stale file.
    """
    folders = _folders(recipes, boards)
    if check:
        stale = [folder / name for folder in folders for name in stale_files(folder)]
        if stale:
            listed = "\n".join(f"{path}: is not what the records give" for path in stale)
            raise StaleBoard(f"{listed}\nRun `harness leaderboard` to make them again.")
        verb = "is what its" if len(folders) == 1 else "are what their"
        console.print(f"{counted(len(folders), 'board')} {verb} records give", highlight=False)
        return
    for folder in folders:
        print_board(write_board(folder), console)
        console.print(f"board: {escape(str(folder / 'README.md'))}", highlight=False, soft_wrap=True)


def _folders(recipes: Sequence[Path], boards: Path | None) -> list[Path]:
    if recipes:
        folders = [places_of(recipe, boards=boards).board for recipe in recipes]
    else:
        folders = sorted(path.parent for path in (boards or Path("leaderboards")).glob("*/records"))
    if not folders:
        raise BadInput(f"{boards or 'leaderboards'}: holds no board. Run a recipe first: harness run RECIPE")
    missing = [folder for folder in folders if not any((folder / "records").glob("*.json"))]
    if missing:
        raise BadInput(
            [f"{folder}: holds no records. Run its recipe first: harness run RECIPE" for folder in missing]
        )
    return folders
