"""The table for the terminal: as many columns as fit; aligned, without colour or lines where it is piped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table as Grid

from harness.errors import BadInput
from harness.leaderboard.figures import difference_of, places, sign_of
from harness.leaderboard.notes import pairs_lost, row_lacks, section_reason
from harness.leaderboard.scores import LENGTH_CONTROLLED, MEAN_LENGTH, WIN_RATE
from harness.leaderboard.table import Row, Table
from harness.leaderboard.text import compact, interval, number, percent, plain, scientific
from harness.recipe.wording import suggestion

NATURAL = 10_000
"""Characters that a grid may take when it is asked how wide it would like to be."""
Value = Callable[[Row], float | None]


@dataclass(frozen=True)
class Column:
    """A column: what it shows, and what rows are sorted by.

    `falling`: the largest value comes first. `drop`: the highest is the first left out where the terminal is
    narrow, and 0 never is; a length-controlled rate goes before the length that must stand beside it.
    """

    heading: str
    cell: Callable[[Row], str]
    value: Value
    falling: bool = False
    drop: int = 0


def _score(metric: str, decimals: int) -> tuple[Callable[[Row], str], Value]:
    def cell(row: Row) -> str:
        own = row.scores.get(metric)
        return "–" if own is None else interval(own.mean, own.ci_high, decimals)

    def value(row: Row) -> float | None:
        own = row.scores.get(metric)
        return None if own is None else own.mean

    return cell, value


def _difference(row: Row) -> str:
    gap = difference_of(row)
    if gap is None:
        return "–"
    shown = interval(gap.mean, gap.ci_high, 1, sign=True)
    return f"[bold]{shown}[/bold]" if sign_of(gap) else shown


def _gap(row: Row) -> float | None:
    gap = difference_of(row)
    return None if gap is None else gap.mean


def _name(row: Row) -> str:
    missing = "" if row.complete else f" ({row.judgments.found}/{row.judgments.expected})"
    return escape(plain(row.method)) + missing


COLUMNS: dict[str, Column] = {
    "rank": Column("rank", lambda row: "–" if row.rank is None else str(row.rank), lambda row: row.rank),
    "place": Column(
        "place", places, lambda row: row.rank_interval.best if row.rank_interval else None, drop=5
    ),
    "method": Column("method", _name, lambda row: None),
    "win-rate": Column("win rate", *_score(WIN_RATE, 1), falling=True),
    "difference": Column("against baseline", _difference, _gap, falling=True),
    "length-controlled": Column("length-controlled", *_score(LENGTH_CONTROLLED, 1), falling=True, drop=3),
    "characters": Column("characters", *_score(MEAN_LENGTH, 0), falling=True, drop=2),
    "pairs": Column("pairs", lambda row: number(row.pairs, 0), lambda row: row.pairs, falling=True, drop=6),
    "tokens": Column(
        "tokens",
        lambda row: compact(row.cost.alone.tokens_forward),
        lambda row: row.cost.alone.tokens_forward,
        drop=7,
    ),
    "seconds": Column(
        "seconds", lambda row: number(row.cost.alone.wall_s, 1), lambda row: row.cost.alone.wall_s, drop=4
    ),
    "flops": Column(
        "FLOPs", lambda row: scientific(row.cost.alone.flops), lambda row: row.cost.alone.flops, drop=1
    ),
    "overhead": Column(
        "overhead", lambda row: percent(row.overhead.alone.flops), lambda row: row.overhead.alone.flops
    ),
}
COSTS = ("pairs", "tokens", "seconds", "flops", "overhead")


def check_sort(column: str) -> None:
    """Raise BadInput unless there is such a column to sort by."""
    if column not in COLUMNS:
        raise BadInput(f"--sort: no column is called '{column}'.{suggestion(column, list(COLUMNS))}")


def print_board(table: Table, console: Console, sort: str = "rank") -> None:
    """Print one grid for each section, sorted by one of `COLUMNS`, rows without a value last.

    Below it stands what rows lack and how many pairs they lost, and above why a section is not ranked with
    the first.
    """
    for section in table.sections:
        rows = _sorted([row for row in table.rows if row.section == section.number], sort)
        names = [name for name in COLUMNS if _has(name, rows, table)]
        grid = _grid(table, rows, names, console)
        for name in sorted(
            (name for name in names if COLUMNS[name].drop), key=lambda name: -COLUMNS[name].drop
        ):
            if _width(grid, console) <= console.width:
                break
            names.remove(name)
            grid = _grid(table, rows, names, console)
        if section.number > 1:
            _say(section_reason(section, table.sections[0], plain), console)
        console.print(grid)
        for line in (line for row in rows for line in row_lacks(row, plain)):
            _say(line, console)
        for row in rows:
            if row.pairs_dropped:
                _say(pairs_lost(row, plain), console)


def _say(line: str, console: Console) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _sorted(rows: Sequence[Row], sort: str) -> list[Row]:
    column = COLUMNS[sort]
    if sort == "rank":
        return list(rows)
    if sort == "method":
        return sorted(rows, key=lambda row: row.method)

    def key(row: Row) -> tuple[bool, float]:
        value = column.value(row)
        return value is None, (-1 if column.falling else 1) * (value or 0.0)

    return sorted(rows, key=key)


def _has(name: str, rows: Sequence[Row], table: Table) -> bool:
    """Whether there is anything to show: costs that were not measured are no column of zeros."""
    if name in COSTS:
        return table.has_costs
    return name in ("rank", "method") or any(COLUMNS[name].value(row) is not None for row in rows)


def _grid(table: Table, rows: Sequence[Row], names: Sequence[str], console: Console) -> Grid:
    lines = box.SIMPLE_HEAD if console.is_terminal else None
    grid = Grid(
        title=escape(plain(table.title)),
        title_justify="left",
        box=lines,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for name in names:
        left = name == "method"
        grid.add_column(
            COLUMNS[name].heading, justify="left" if left else "right", no_wrap=not left, overflow="fold"
        )
    for row in rows:
        grid.add_row(*(COLUMNS[name].cell(row) for name in names))
    return grid


def _width(grid: Grid, console: Console) -> int:
    return Measurement.get(console, console.options.update(max_width=NATURAL), grid).maximum
