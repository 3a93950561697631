"""From a table and its records to index.html."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

from markupsafe import Markup

from harness.leaderboard import figures
from harness.leaderboard.axes import Axis, linear_axis
from harness.leaderboard.cost import TOKENS
from harness.leaderboard.curves import LABELS, curves
from harness.leaderboard.groups import split
from harness.leaderboard.head_to_head import EVEN
from harness.leaderboard.headline import headline, standings
from harness.leaderboard.notes import board_notes, row_notes, section_reason
from harness.leaderboard.outputs import comparisons
from harness.leaderboard.page import charts
from harness.leaderboard.page.render import inline, render
from harness.leaderboard.record import Record
from harness.leaderboard.scores import LENGTH_CONTROLLED, MEAN_LENGTH, WIN_RATE
from harness.leaderboard.table import Row, Section, Table

LONGEST_NOTE = 600  # characters


@dataclass(frozen=True)
class SectionView:
    """All that the template shows of one section: its rows, and its figures where they can be drawn."""

    section: Section
    reason: Markup | None
    rows: list[Row]
    score_axis: Axis
    marks: dict[str, figures.Mark]
    gaps: list[figures.Mark]
    gap_axis: Axis
    scatter: Markup | None
    stages: list[str]
    most_seconds: float
    device: bool
    energy: bool
    grid: figures.Grid | None
    curves: dict[str, Markup]
    ranked: list[str]
    matrix: dict[tuple[str, str], figures.Mark]
    most_apart: float
    contests: dict[tuple[str, str], figures.Mark]
    most_uneven: float
    unjudged: Set[tuple[str, str]]
    metrics: list[str]
    length_controlled: bool
    notes: dict[str, list[Markup]]
    placed: bool


def board_page(table: Table, records: Sequence[Record]) -> str:
    """The whole page; it names no other file but those beside it, and runs no script but its own."""
    ids = {method: number for number, method in enumerate(dict.fromkeys(row.method for row in table.rows))}
    return render(
        "board.html.j2",
        table=table,
        ids=ids,
        headline=headline(standings(table), table.baseline),
        sections=[
            _section(table, section, group.records, ids)
            for section, group in zip(table.sections, split(records), strict=True)
        ],
        comparisons=comparisons(records, list(ids)),
        notes=[_note(line) for line in board_notes(table)],
        win_rate=WIN_RATE,
        mean_length=MEAN_LENGTH,
        length_controlled=LENGTH_CONTROLLED,
        judged=sum(row.judgments.found for row in table.rows),
        costs=("alone", "shared"),
        tokens=TOKENS,
    )


def _section(table: Table, section: Section, records: Sequence[Record], ids: charts.Ids) -> SectionView:
    """What one section shows; `records` are its own."""
    rows = [row for row in table.rows if row.section == section.number]
    marks = figures.win_rates(rows)
    gaps = figures.differences(rows)
    logged = curves(records, [row.method for row in rows])
    lead = next((row.method for row in rows if row.rank == 1), "")
    metrics = [metric for metric in rows[0].scores if any(row.scores[metric] is not None for row in rows)]
    matrix, contests = figures.matrix(section), figures.contests(section)
    return SectionView(
        section=section,
        reason=inline(section_reason(section, table.sections[0])) if section.number > 1 else None,
        rows=rows,
        score_axis=_axis(marks),
        marks={mark.method: mark for mark in marks},
        gaps=gaps,
        gap_axis=_axis(gaps, 0.0),
        scatter=charts.scatter(figures.points(rows), ids, table.baseline),
        stages=figures.stages(rows),
        most_seconds=max((float(row.cost.alone.wall_s) for row in rows), default=0.0),
        device=any(row.cost.alone.peak_device_bytes is not None for row in rows),
        energy=any(row.cost.alone.energy for row in rows),
        grid=figures.grid(table, rows),
        curves={
            LABELS[measure]: charts.curve_panel(measure, drawn, ids, lead, table.baseline)
            for measure, drawn in logged.items()
        },
        ranked=[row.method for row in rows if row.rank is not None],
        matrix=matrix,
        most_apart=_scale([abs(mark.value) for mark in matrix.values()]),
        contests=contests,
        most_uneven=_scale([abs(mark.value - EVEN) for mark in contests.values()]),
        unjudged=figures.unjudged(section),
        metrics=[metric for metric in metrics if metric not in (WIN_RATE, LENGTH_CONTROLLED, MEAN_LENGTH)],
        length_controlled=LENGTH_CONTROLLED in metrics,
        notes={row.method: said for row in rows if (said := [inline(line) for line in row_notes(row)])},
        placed=any(row.rank_interval for row in rows),
    )


def _axis(marks: Sequence[figures.Mark], *also: float) -> Axis:
    ends = [end for mark in marks for end in (mark.low, mark.high) if end is not None]
    return linear_axis([mark.value for mark in marks], [*ends, *also])


def _scale(values: Sequence[float]) -> float:
    """The value of the darkest shade: not the largest, or a control that fails leaves all others pale."""
    return sorted(values)[len(values) * 3 // 4] if values else 0.0


def _note(line: str) -> tuple[Markup, Markup | None]:
    """A sentence below the board; of a very long one only the beginning stands in the open."""
    if len(line) <= LONGEST_NOTE:
        return inline(line), None
    first, _, rest = line.partition(". ")
    return inline(f"{first}."), inline(rest)
