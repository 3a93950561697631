"""`harness import`: results that were made elsewhere, on a board of their own."""

from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape

from harness.errors import BadInput
from harness.leaderboard.alpaca_results import read_annotations, read_leaderboard
from harness.leaderboard.board import RECORDS, check_writable, write_board
from harness.leaderboard.overview import write_overview
from harness.leaderboard.published import published_records
from harness.leaderboard.record import write_record
from harness.leaderboard.terminal import print_board


def import_alpaca_eval(
    folder: Path,
    name: str,
    boards: Path | None,
    annotator: str | None,
    reference: str | None,
    console: Console,
) -> None:
    """Write a board `name` of the AlpacaEval results in `folder`.

    Raises:
        BadInput: the results or the name cannot be used, or there is such a board already.
    """
    board = (boards or Path("leaderboards")) / name
    if not name or quote(name, safe="") != name or name.startswith("."):
        raise BadInput(
            f"--name: must be letters, digits, '-', '_' and '.' only, as it names a folder. Got '{name}'."
        )
    if any((board / RECORDS).glob("*.json")):
        raise BadInput(f"{board}: has records already. Choose another --name, or delete the folder.")
    published = read_annotations(folder, annotator, reference)
    records = published_records(published, read_leaderboard(folder), name)
    check_writable(board)
    for record in records:
        write_record(board / RECORDS, record)
    print_board(write_board(board), console)
    write_overview(board.parent)
    console.print(f"board: {escape(str(board / 'README.md'))}", highlight=False, soft_wrap=True)
