"""`harness plot`: a board's plots for papers."""

from pathlib import Path

from rich.markup import escape

from harness.commands.leaderboard import choose
from harness.commands.output import Output
from harness.errors import BadInput
from harness.leaderboard.assemble import make_table
from harness.leaderboard.board import RECORDS
from harness.leaderboard.plots import write_plots
from harness.leaderboard.record import read_records


def plot(board: Path, boards: Path | None, out: Path | None, output: Output) -> None:
    """Write the plots of a board, given as its folder or its recipe, into `out` (default: plots/BOARD).

    Raises:
        BadInput: if there is no such board, or `out` cannot be written.
    """
    folder = board if (board / RECORDS).is_dir() else choose([board], boards)[0].folder
    records = read_records(folder / RECORDS)
    target = out or Path("plots") / folder.resolve().name
    try:
        written = write_plots(make_table(records), records, target)
    except OSError as error:
        raise BadInput(f"{target}: cannot be written: {error.strerror}. Choose another with --out.") from None
    for path in written:
        output.steps.print(escape(str(path)), highlight=False, soft_wrap=True)
