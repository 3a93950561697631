"""The files of a leaderboard folder, made from its records and from nothing else."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.errors import BadInput
from harness.leaderboard.assemble import make_table
from harness.leaderboard.drift import changes, with_recipe
from harness.leaderboard.files import unwritable, write_whole
from harness.leaderboard.latex import table_tex
from harness.leaderboard.page.board import board_page
from harness.leaderboard.readme import board_block
from harness.leaderboard.record import Record, Sample, read_records
from harness.leaderboard.render import table_csv, table_json
from harness.leaderboard.table import Table
from harness.leaderboard.text import markdown
from harness.plan.build import NO_FILES
from harness.plan.draw import DataFile
from harness.recipe.schema import Recipe

RECORDS = "records"
PROVENANCE = ("harness", "python", "packages")
IMPORTED = ("results", "sha256")
"""What a record must say of what made it; or, if its results were made elsewhere, of what they are."""
BEGIN, END = "<!-- board:begin -->", "<!-- board:end -->"


def make_board(folder: Path, recipe: Recipe | None = None) -> dict[str, str]:
    """File name -> text of every generated file, from `folder`/records.

    The same records and recipe give the same bytes. With the recipe as it is now the board says where its
    records are of an earlier one. In README.md only the part between the markers is made anew; what people
    wrote around it stays. Raises BadInput for records or markers that cannot be used.
    """
    return _made(folder, read_records(folder / RECORDS), recipe)[1]


def _made(folder: Path, records: Sequence[Record], recipe: Recipe | None) -> tuple[Table, dict[str, str]]:
    """The table, and the files that show it."""
    table = with_recipe(make_table(records), records, recipe)
    block = board_block(table, _one_sample_each(records, [row.method for row in table.rows]))
    return table, {
        "README.md": marked_readme(folder / "README.md", table.title, block),
        "table.json": table_json(table),
        "table.csv": table_csv(table),
        "table.tex": table_tex(table),
        "index.html": board_page(table, records),
    }


def write_board(folder: Path, recipe: Recipe | None = None) -> Table:
    """Write every generated file of `folder`, each in one step; returns the table that they show.

    Raises BadInput as `make_board`, and where a file cannot be written.
    """
    table, files = _made(folder, read_records(folder / RECORDS), recipe)
    for name, text in files.items():
        write_whole(folder / name, text)
    return table


def board_problems(
    folder: Path, recipe: Recipe | None = None, files: Mapping[str, DataFile] = NO_FILES
) -> list[str]:
    """Why the board in `folder` should not be trusted as it stands, a sentence each.

    A file is not what the records give, the recipe is not there or would not give them now, or a record does
    not say what made it. `files` are those that the recipe names, as far as they are there.
    """
    records = read_records(folder / RECORDS)
    table, made = _made(folder, records, recipe)
    return [
        *(f"{folder / name}: is not what the records give" for name in unlike(folder, made)),
        *_against_recipe(folder, table, records, recipe, files),
        *_without_provenance(folder, records),
    ]


def unlike(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Names of those of `files` that are missing in `folder` or have other bytes there."""
    return [name for name, text in files.items() if _content(folder / name) != text.encode()]


def _against_recipe(
    folder: Path,
    table: Table,
    records: Sequence[Record],
    recipe: Recipe | None,
    files: Mapping[str, DataFile],
) -> Iterator[str]:
    if recipe is None:
        if table.has_costs:  # results from elsewhere have no recipe
            yield (
                f"{folder}: its recipe is not there, so nothing tells whether it would give the records now. "
                f"Put it at recipes/{folder.name}.toml beside the boards, or name it: harness leaderboard "
                "--check RECIPE"
            )
        return
    for change in changes(records, recipe, files):
        yield f"{folder}: of an earlier recipe: {change}"
    for method in table.unrecorded:
        yield f"{folder}: has no record of the recipe's method {method}"


def _without_provenance(folder: Path, records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        said = {key for key, value in record.provenance.items() if value}
        missing = [key for key in (IMPORTED if "results" in said else PROVENANCE) if key not in said]
        if missing:
            yield (
                f"{folder / RECORDS}: the record of {record.method}, seed {record.replicate}, does not say "
                f"its {', '.join(missing)}"
            )


def check_writable(folder: Path) -> None:
    """Raise BadInput unless a board can be written into `folder`; nothing is left behind.

    To be asked before a run, so that hours of training do not end in a place that takes no files.
    """
    for place in (folder, folder / RECORDS):
        try:
            with tempfile.TemporaryFile(dir=_nearest_there(place)):
                pass
        except OSError as error:
            raise unwritable(place, error) from None
    for place in (folder, folder.parent):
        marked_readme(place / "README.md", "", "")


def _nearest_there(place: Path) -> Path:
    """`place`, or the nearest thing above it that exists: there the missing folders would be made."""
    while not os.path.lexists(place):
        place = place.parent
    return place


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def marked_readme(path: Path, title: str, block: str) -> str:
    """The README with its marked part replaced; without markers the part is added at the end."""
    marked = f"{BEGIN}\n{block}\n{END}"
    if not path.exists():
        return f"# {markdown(title)}\n\n{marked}\n"
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}. Delete it.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: is not UTF-8 text. Save it as UTF-8, or delete it.") from None
    if BEGIN not in text and END not in text:
        return f"{text.rstrip()}\n\n{marked}\n"
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise BadInput(
            f"{path}: must hold '{BEGIN}' once and '{END}' once after it. Mend the two lines, or delete both "
            "to have the board added at the end."
        )
    return text.partition(BEGIN)[0] + marked + text.partition(END)[2]


def _one_sample_each(records: Sequence[Record], methods: Sequence[str]) -> dict[str, Sample]:
    """Method -> the first sample of its first record, in the order of the table."""
    first: dict[str, Sample] = {}
    for record in records:
        if record.samples:
            first.setdefault(record.method, record.samples[0])
    return {method: first[method] for method in dict.fromkeys(methods) if method in first}
