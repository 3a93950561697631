"""The table for the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from harness.leaderboard.scores import WIN_RATE
from harness.leaderboard.table import Row, Table
from harness.leaderboard.text import interval, number, percent, plain, scientific


def print_board(table: Table, console: Console) -> None:
    """Print one grid for each section: rank, win rate, difference to the baseline, data, and cost."""
    for section in table.sections:
        grid = Grid(title=escape(plain(table.title)))
        grid.add_column("rank", justify="right")
        grid.add_column("method", overflow="fold", min_width=14)
        costs = ("pairs", "seconds", "FLOPs", "overhead") if table.has_costs else ()
        for name in ("win rate", "against baseline", *costs):
            grid.add_column(name, justify="right", no_wrap=True)
        for row in table.rows:
            if row.section == section.number:
                grid.add_row(*_cells(row), *(_costs(row) if costs else ()))
        console.print(grid)


def _cells(row: Row) -> list[str]:
    own = row.scores[WIN_RATE]
    gap = own and own.difference
    return [
        "–" if row.rank is None else str(row.rank),
        escape(plain(row.method))
        + ("" if row.complete else f" ({row.judgments.found}/{row.judgments.expected})"),
        interval(own.mean, own.ci_high, 1) if own else "–",
        interval(gap.mean, gap.ci_high, 1, sign=True) if gap else "–",
    ]


def _costs(row: Row) -> list[str]:
    return [
        number(row.pairs, 0),
        number(row.cost.alone.wall_s, 1),
        scientific(row.cost.alone.flops),
        percent(row.overhead.alone.flops),
    ]
