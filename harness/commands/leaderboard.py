"""`harness leaderboard`: make boards again from their records, or say which are stale."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from harness.commands.inputs import files_of
from harness.commands.output import Output
from harness.commands.places import places_of
from harness.commands.words import counted, harmless
from harness.errors import BadInput, StaleBoard
from harness.leaderboard.board import RECORDS, board_problems, unlike, write_board
from harness.leaderboard.overview import make_overview, write_overview
from harness.leaderboard.render import plain_table
from harness.leaderboard.table import Table
from harness.leaderboard.terminal import check_sort, print_board
from harness.plan.build import NO_FILES
from harness.plan.draw import DataFile
from harness.recipe.load import load_recipe
from harness.recipe.schema import Recipe


@dataclass(frozen=True)
class Chosen:
    """A board's folder, and the recipe file that it is of, where that is there."""

    folder: Path
    recipe: Path | None

    def load(self) -> Recipe | None:
        """The recipe as it is now; raises BadInput where it is wrong."""
        return load_recipe(self.recipe) if self.recipe else None

    def files(self, recipe: Recipe | None) -> tuple[Mapping[str, DataFile], Sequence[str]]:
        """The files that the recipe names, as they are now; none, and why, where some are not there."""
        if recipe is None or self.recipe is None:
            return NO_FILES, ()
        try:
            return files_of(recipe, places_of(self.recipe)), ()
        except BadInput as bad:
            return NO_FILES, bad.problems


def leaderboard(
    recipes: Sequence[Path], boards: Path | None, output: Output, sort: str = "rank", as_json: bool = False
) -> None:
    """Write the boards of `recipes`, or of all records there are, and show each.

    With `as_json` each board is one line of JSON, as in its table.json.

    Raises:
        BadInput: if there is no board to make, or no such column to sort by.
    """
    check_sort(sort)
    chosen = choose(recipes, boards)
    for one in chosen:
        table = write_board(one.folder, one.load())
        if as_json:
            line = json.dumps(plain_table(table), allow_nan=False)
            output.result.print(line, highlight=False, markup=False, soft_wrap=True)
            continue
        print_board(table, output.result, sort)
        _say_changes(table, output)
        output.details.print(_details(one, table), highlight=False, soft_wrap=True)
        output.steps.print(f"board: {escape(str(one.folder / 'README.md'))}", highlight=False, soft_wrap=True)
    for folder in dict.fromkeys(one.folder.parent for one in chosen):
        write_overview(folder)


def check(recipes: Sequence[Path], boards: Path | None, output: Output) -> None:
    """Compare the boards, and the overview above them, with what their records and recipes give.

    Raises:
        BadInput: if there is no board to check.
        StaleBoard: naming every problem.
    """
    chosen = choose(recipes, boards)
    problems = []
    for one in chosen:
        output.details.print(f"checking {escape(str(one.folder))}", highlight=False, soft_wrap=True)
        recipe = one.load()
        files, absent = one.files(recipe)
        for reason in absent:
            line = f"{one.folder}: not compared with the data as they are now: {reason}"
            output.steps.print(escape(harmless(line)), highlight=False, soft_wrap=True)
        problems += board_problems(one.folder, recipe, files)
    for folder in {} if recipes else dict.fromkeys(one.folder.parent for one in chosen):
        stale = unlike(folder, make_overview(folder))
        problems += [f"{folder / name}: is not what the boards below it give" for name in stale]
    if problems:
        listed = "\n".join(problems)
        raise StaleBoard(
            f"{listed}\nRun `harness leaderboard` to make files again, `harness run` where a recipe, its "
            "data or a stage changed."
        )
    verb = "is what its" if len(chosen) == 1 else "are what their"
    output.steps.print(f"{counted(len(chosen), 'board')} {verb} records give", highlight=False)


def choose(recipes: Sequence[Path], boards: Path | None) -> list[Chosen]:
    """The boards of `recipes`, or all that have records; raises BadInput where one has none."""
    if recipes:
        chosen = [Chosen(places_of(recipe, boards=boards).board, recipe) for recipe in recipes]
    else:
        folders = sorted(path.parent for path in (boards or Path("leaderboards")).glob(f"*/{RECORDS}"))
        chosen = [Chosen(folder, recipe_beside(folder)) for folder in folders]
    if not chosen:
        raise BadInput(f"{boards or 'leaderboards'}: holds no board. Run a recipe first: harness run RECIPE")
    missing = [one.folder for one in chosen if not any((one.folder / RECORDS).glob("*.json"))]
    if missing:
        raise BadInput(
            [f"{folder}: holds no records. Run its recipe first: harness run RECIPE" for folder in missing]
        )
    return chosen


def recipe_beside(folder: Path) -> Path | None:
    """The recipe of a board's folder, if it lies where `harness run` finds it: `places_of` turned round."""
    project = folder.parent.parent
    places = [project / "recipes", *sorted((project / "recipes").glob("*/")), project]
    paths = (place / f"{folder.name}.toml" for place in places)
    return next((path for path in paths if path.is_file()), None)


def _say_changes(table: Table, output: Output) -> None:
    """What the board says of the recipe as it is now."""
    for change in table.recipe_changes:
        output.result.print(
            f"[yellow]of an earlier recipe[/yellow]: {escape(harmless(change))}",
            highlight=False,
            soft_wrap=True,
        )
    for method in table.unrecorded:
        output.result.print(
            f"[yellow]no record[/yellow] of the recipe's method {escape(method)}",
            highlight=False,
            soft_wrap=True,
        )


def _details(one: Chosen, table: Table) -> str:
    records = counted(len(list((one.folder / RECORDS).glob("*.json"))), "record")
    against = f"compared with {one.recipe}" if one.recipe else "there is no recipe to compare them with"
    return escape(f"{records} of {counted(len(table.rows), 'row')}; {against}")
