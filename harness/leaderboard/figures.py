"""What each plot of a board shows, as plain data: the page and the plots for papers draw the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.leaderboard.head_to_head import EVEN
from harness.leaderboard.rank import ALPHA
from harness.leaderboard.reach import family_of, without_size
from harness.leaderboard.scores import WIN_RATE
from harness.leaderboard.table import Difference, Pair, Row, Section, Table

SMALLEST_GRID = 4  # cells


@dataclass(frozen=True)
class Mark:
    """A method's value with the ends of its 95 % interval.

    `sign` is +1 or -1 where it is significantly above or below what it is compared with, 0 for a tie; a
    `partial` value lacks some judgments.
    """

    method: str
    value: float
    low: float | None
    high: float | None
    sign: int = 0
    partial: bool = False


@dataclass(frozen=True)
class Point:
    """A ranked method's win rate (points) against its FLOPs alone; of one `kind` are a method's budgets."""

    mark: Mark
    flops: float
    pareto: bool
    kind: str


@dataclass(frozen=True)
class Grid:
    """Win rates by breadth (prompts, columns) and depth (pairs per prompt, rows), as the methods declare."""

    prompts: tuple[int, ...]
    depths: tuple[int, ...]
    cells: Mapping[tuple[int, int], Mark]


def win_rates(rows: Sequence[Row]) -> list[Mark]:
    """Each row's own win rate."""
    return [_mark(row) for row in rows if row.scores[WIN_RATE] is not None]


def differences(rows: Sequence[Row]) -> list[Mark]:
    """Each row's paired difference in win rate to the baseline."""
    marks = []
    for row in rows:
        gap = difference_of(row)
        if gap is not None:
            marks.append(Mark(row.method, gap.mean, gap.ci_low, gap.ci_high, sign_of(gap)))
    return marks


def difference_of(row: Row) -> Difference | None:
    """A row's difference in win rate, where there is one."""
    own = row.scores[WIN_RATE]
    return own.difference if own else None


def places(row: Row) -> str:
    """The interval of a row's place; a dash for a row that is not ranked."""
    ends = row.rank_interval
    if ends is None:
        return "–"
    return str(ends.best) if ends.best == ends.worst else f"{ends.best}–{ends.worst}"


def sign_of(gap: Difference | Pair) -> int:
    """+1 or -1 where a difference is significant after Holm's correction, else 0."""
    if gap.p_holm is None or gap.p_holm >= ALPHA:
        return 0
    return 1 if gap.mean > 0 else -1


def points(rows: Sequence[Row]) -> list[Point]:
    """Quality against cost, of all ranked rows."""
    return [
        Point(_mark(row), float(row.cost.alone.flops), bool(row.pareto), family_of(row))
        for row in rows
        if row.rank is not None
    ]


def budgets(points: Sequence[Point]) -> list[list[Point]]:
    """The points of each kind of method that was run at several budgets, the cheapest first."""
    kinds: dict[str, list[Point]] = {}
    for point in sorted(points, key=lambda point: point.flops):
        kinds.setdefault(point.kind, []).append(point)
    return [kind for kind in kinds.values() if len(kind) > 1]


def stages(rows: Sequence[Row]) -> list[str]:
    """Every stage that some row pays for, in the order of first use."""
    return list(dict.fromkeys(stage for row in rows for stage in row.cost.stages))


def matrix(section: Section) -> dict[tuple[str, str], Mark]:
    """(row, column) -> the difference row - column of every pair of ranked methods, both ways round."""
    cells: dict[tuple[str, str], Mark] = {}
    for pair in section.pairs:
        sign = sign_of(pair)
        low, high = pair.ci_low, pair.ci_high
        cells[pair.method, pair.other] = Mark(pair.method, pair.mean, low, high, sign)
        back_low, back_high = (None if end is None else -end for end in (high, low))
        cells[pair.other, pair.method] = Mark(pair.other, -pair.mean, back_low, back_high, -sign)
    return cells


def contests(section: Section) -> dict[tuple[str, str], Mark]:
    """(row, column) -> win rate of the row against the column, both ways round; empty if none was judged."""
    cells: dict[tuple[str, str], Mark] = {}
    lacking = unjudged(section)
    for one in section.head_to_head:
        partial = one.missing > 0 or (one.method, one.other) in lacking
        sign = 0 if one.p_holm is None or one.p_holm >= ALPHA else 1 if one.win_rate > EVEN else -1
        low, high = one.ci_low, one.ci_high
        cells[one.method, one.other] = Mark(one.method, one.win_rate, low, high, sign, partial)
        back_low, back_high = (None if end is None else 2 * EVEN - end for end in (high, low))
        back = 2 * EVEN - one.win_rate
        cells[one.other, one.method] = Mark(one.other, back, back_low, back_high, -sign, partial)
    return cells


def unjudged(section: Section) -> set[tuple[str, str]]:
    """(row, column) of methods that lack their whole comparison in some seed, both ways round."""
    return {pair for one in section.unjudged for pair in ((one.method, one.other), (one.other, one.method))}


def grid(table: Table, rows: Sequence[Row]) -> Grid | None:
    """The largest set of methods that differ in breadth and depth only, if it is large enough for a grid.

    Where several methods share a cell, the first row stands.
    """
    groups: dict[str, dict[tuple[int, int], Mark]] = {}
    for row in rows:
        size = _size(table.fixed.get("budget", {}), row.declared)
        if size is not None and row.scores[WIN_RATE] is not None:
            groups.setdefault(without_size(row.declared), {}).setdefault(size, _mark(row))
    cells = max(groups.values(), key=len, default={})
    prompts = tuple(sorted({size[0] for size in cells}, reverse=True))
    depths = tuple(sorted({size[1] for size in cells}))
    whole = len(cells) >= SMALLEST_GRID and len(prompts) > 1 and len(depths) > 1
    return Grid(prompts, depths, cells) if whole else None


def _mark(row: Row) -> Mark:
    own = row.scores[WIN_RATE]
    assert own is not None
    gap = own.difference
    return Mark(row.method, own.mean, own.ci_low, own.ci_high, sign_of(gap) if gap else 0)


def _size(budget: Mapping[str, Any], declared: Mapping[str, Any]) -> tuple[int, int] | None:
    """(prompts, pairs per prompt) as a method and the budget declare them, before ties and truncation."""
    responses = declared.get("responses_per_prompt")
    if not responses:
        return None
    breadth, depth = declared.get("breadth", {}), declared.get("depth", {})
    prompts = breadth.get("prompts") or (budget.get("responses") or 0) // responses
    if not prompts:
        return None
    pairs = depth.get("pairs") or (round(budget["pairs"] / prompts) if budget.get("pairs") else 1)
    return prompts, pairs
