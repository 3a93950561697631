"""The plots of a board for papers, as SVG and PNG: the one door to matplotlib.

The same table gives the same SVG bytes: ids come from a fixed salt, and no date is written.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from harness.leaderboard import figures
from harness.leaderboard.axes import Axis, linear_axis, log_axis
from harness.leaderboard.curves import LABELS, Curve, curves
from harness.leaderboard.figures import Mark
from harness.leaderboard.groups import split
from harness.leaderboard.head_to_head import EVEN
from harness.leaderboard.labels import LABEL_SIZE, place_labels
from harness.leaderboard.record import Record
from harness.leaderboard.table import Row, Section, Table
from harness.leaderboard.text import plain, power

TRAINING = "adapter"
COLUMN, PAGE, TALL = 3.35, 6.9, 3.4
"""Inches: the widths of one column and of a page in the usual two-column papers, and the scatter's height."""
TEXT = 7  # points
LINE = 0.19  # inches for one method
INK, SOFT, ACCENT, WARM = "#1d1f23", "#8a8f98", "#0f5f9c", "#a8500f"
COLOURS = {1: ACCENT, 0: SOFT, -1: WARM}
STAGES = (
    "#999933", "#88ccee", "#44aa99", "#ddcc77", "#cc6677", "#aa4499", "#117733", "#882255", "#8f8f8f",
)  # fmt: skip
GAINS = LinearSegmentedColormap.from_list("gains", ["#f4f8fb", "#7fb0d8"])
BOTH = LinearSegmentedColormap.from_list("both", ["#e0a477", "#ffffff", "#7fb0d8"])
HALO = withStroke(linewidth=2, foreground="white")
STYLE: Any = {
    "svg.hashsalt": "harness",
    "svg.fonttype": "none",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6,
    "text.parse_math": False,  # a method's name is a name, whatever is in it
    "savefig.dpi": 300,
}


def write_plots(table: Table, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write every plot that the table has the data for, twice each; returns the files.

    Raises OSError where `folder` cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with mpl.rc_context(STYLE):
        for section, group in zip(table.sections, split(records), strict=True):
            suffix = "" if section.number == 1 else f"-{section.number}"
            for name, figure in _figures(table, section, group.records).items():
                for kind in ("svg", "png"):
                    path = folder / f"{name}{suffix}.{kind}"
                    metadata = {"Date": None} if kind == "svg" else {"Software": None}
                    figure.savefig(path, metadata=metadata, bbox_inches="tight")
                    written.append(path)
    return written


def _figures(table: Table, section: Section, records: Sequence[Record]) -> dict[str, Figure]:
    """Name -> figure of a section; `records` are its own."""
    rows = [row for row in table.rows if row.section == section.number]
    gaps, grid = figures.differences(rows), figures.grid(table, rows)
    matrix, contests = figures.matrix(section), figures.contests(section)
    logged = curves(records, [row.method for row in rows])
    found = {}
    if gaps:
        found["differences"] = _differences(gaps, table.baseline)
    if table.has_costs and figures.points(rows):
        found["cost"] = _cost(figures.points(rows), table.baseline)
    if table.has_costs and figures.stages(rows):
        found["stages"] = _stages(rows)
    if grid:
        found["grid"] = _grid(grid)
    if logged:
        found["curves"] = _curves(logged, rows[0].method, table.baseline)
    if matrix:
        ranked = [row.method for row in rows if row.rank is not None]
        found["matrix"] = _matrix(ranked, matrix, "win rate of the row - that of the column (points)")
    if contests:
        judged = [row.method for row in rows if any(row.method in pair for pair in contests)]
        found["head-to-head"] = _matrix(judged, contests, "win rate of the row against the column", EVEN)
    return found


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _differences(gaps: Sequence[Mark], baseline: str) -> Figure:
    """Dots with intervals around zero; filled where significant, an arrow where beyond the axis."""
    figure, axes = _axes(COLUMN, 0.7 + LINE * len(gaps))
    ends = [end for gap in gaps for end in (gap.low, gap.high) if end is not None]
    span = linear_axis([gap.value for gap in gaps], [*ends, 0.0])
    axes.axvline(0, color=INK, linewidth=0.6)
    for place, gap in enumerate(gaps):
        colour = COLOURS[gap.sign]
        if not span.holds(gap.value):
            end, marker = (span.low, "<") if gap.value < span.low else (span.high, ">")
            axes.plot(end, place, marker, color=colour, markersize=4, clip_on=False)
            continue
        if gap.low is not None and gap.high is not None:
            axes.plot([gap.low, gap.high], [place, place], color=colour, linewidth=1)
        axes.plot(gap.value, place, "o", color=colour, mfc=colour if gap.sign else "white", markersize=4)
    _name_rows(axes, [gap.method for gap in gaps])
    axes.set_xlim(span.low, span.high)
    axes.set_xlabel(f"win rate against {plain(baseline)} (points)")
    return figure


def _cost(points: Sequence[figures.Point], baseline: str) -> Figure:
    """Win rate over FLOPs, the front as steps, budgets as dotted lines; what is not drawn is named below."""
    figure, axes = _axes(PAGE, TALL)
    ends = [end for point in points for end in (point.mark.low, point.mark.high) if end is not None]
    up = linear_axis([point.mark.value for point in points], ends)
    shown = [point for point in points if point.flops > 0 and up.holds(point.mark.value)]
    for point in shown:
        mark, colour = point.mark, ACCENT if point.pareto else SOFT
        if mark.low is not None and mark.high is not None:
            axes.plot([point.flops] * 2, [mark.low, mark.high], color=colour, linewidth=0.6, alpha=0.5)
        fill = colour if point.pareto else "white"
        axes.plot(point.flops, mark.value, "o", color=colour, mfc=fill, markersize=4)
    for kind in figures.budgets(shown):
        costs, rates = [point.flops for point in kind], [point.mark.value for point in kind]
        axes.plot(costs, rates, ":", color=SOFT, linewidth=0.8, zorder=1)
    front = sorted((point.flops, point.mark.value) for point in shown if point.pareto)
    axes.step([x for x, _ in front], [y for _, y in front], where="post", color=ACCENT, linewidth=0.8)
    if shown:
        across = log_axis([point.flops for point in shown])
        axes.set_xscale("log")
        axes.set_xlim(across.low, across.high)
        axes.set_xticks(across.ticks, [power(tick) for tick in across.ticks])
        axes.set_xticks([], minor=True)
        _name_points(axes, shown, across, up, baseline)
    axes.set_ylim(up.low, up.high)
    left_out = ", ".join(plain(point.mark.method) for point in points if point not in shown)
    axes.set_xlabel(f"FLOPs alone (not shown: {left_out})" if left_out else "FLOPs alone")
    axes.set_ylabel("win rate (points)")
    return figure


def _name_points(axes: Axes, shown: Sequence[figures.Point], across: Axis, up: Axis, baseline: str) -> None:
    """The names that find room, the baseline's and the front's first."""
    scale = TEXT / LABEL_SIZE  # points of this text for a pixel of the page's
    width, height = 72 * PAGE / scale, 72 * TALL / scale
    spots = {
        point.mark.method: (across.place(point.flops), height * (1 - up.place(point.mark.value)))
        for point in shown
    }
    values = {point.mark.method: (point.flops, point.mark.value) for point in shown}
    first = sorted(shown, key=lambda point: (point.mark.method != baseline, not point.pareto))
    for name, label in place_labels([point.mark.method for point in first], spots, width, height).items():
        shift = label.dx * scale, (spots[name][1] - label.y) * scale
        side = {"start": "left", "end": "right", "middle": "center"}[label.anchor]
        axes.annotate(
            plain(name),
            values[name],
            shift,
            textcoords="offset points",
            ha=side,
            fontsize=TEXT,
            path_effects=[HALO],
        )


def _stages(rows: Sequence[Row]) -> Figure:
    figure, axes = _axes(PAGE, 0.9 + LINE * len(rows))
    starts = [0.0] * len(rows)
    others = iter(STAGES * len(rows))
    for stage in figures.stages(rows):
        colour = ACCENT if stage == TRAINING else next(others)
        seconds = [float(row.cost.stages[stage].wall_s) if stage in row.cost.stages else 0.0 for row in rows]
        axes.barh(range(len(rows)), seconds, 0.7, starts, color=colour, label=plain(stage))
        starts = [start + one for start, one in zip(starts, seconds, strict=True)]
    _name_rows(axes, [row.method for row in rows])
    axes.set_xlabel("seconds alone")
    figure.legend(loc="outside upper center", ncols=6, frameon=False, fontsize=7)
    return figure


def _grid(grid: figures.Grid) -> Figure:
    figure, axes = _axes(COLUMN, 0.8 + 0.45 * len(grid.depths))
    values = [[_value(grid.cells.get((p, d))) for p in grid.prompts] for d in grid.depths]
    axes.imshow(values, cmap=GAINS, aspect="auto")
    for (prompts, depth), mark in grid.cells.items():
        place = grid.prompts.index(prompts), grid.depths.index(depth)
        axes.text(*place, f"{mark.value:.1f}", ha="center", va="center", color=INK)
    axes.set_xticks(range(len(grid.prompts)), [str(prompts) for prompts in grid.prompts])
    axes.set_yticks(range(len(grid.depths)), [str(depth) for depth in grid.depths])
    axes.set_xlabel("prompts")
    axes.set_ylabel("pairs per prompt")
    return figure


def _value(mark: Mark | None) -> float:
    return float("nan") if mark is None else mark.value


def _curves(logged: Mapping[str, list[Curve]], lead: str, baseline: str) -> Figure:
    figure = Figure(figsize=(PAGE, 1.9), layout="constrained")
    for number, (measure, drawn) in enumerate(logged.items(), start=1):
        axes = figure.add_subplot(1, len(logged), number)
        for curve in drawn:
            style = {lead: (ACCENT, 1.6, "-"), baseline: (INK, 1.2, "--")}.get(curve.method, (SOFT, 0.5, "-"))
            colour, width, dashes = style
            steps, values = zip(*curve.points, strict=True)
            axes.plot(steps, values, dashes, color=colour, linewidth=width, zorder=1 + width)
        axes.set_title(LABELS[measure].partition(" (")[0], fontsize=7, color=INK)
        axes.set_xlabel("step")
    return figure


def _matrix(
    methods: Sequence[str], cells: Mapping[tuple[str, str], Mark], label: str, even: float = 0.0
) -> Figure:
    """Row against column; only what is significantly not `even` is coloured."""
    size = max(COLUMN, 1.4 + LINE * len(methods))
    figure, axes = _axes(size, size)
    shown = [[_significant(cells.get((one, other))) for other in methods] for one in methods]
    most = sorted(abs(mark.value - even) for mark in cells.values())[len(cells) * 3 // 4]
    axes.imshow(shown, cmap=BOTH, vmin=even - most, vmax=even + most)
    if len(methods) <= 16:
        for (one, other), mark in cells.items():
            place = methods.index(other), methods.index(one)
            told = f"{mark.value:.1f}" if even else f"{mark.value:+.1f}"
            told += " †" if mark.partial else ""
            axes.text(*place, told, ha="center", va="center", color=INK, fontsize=5)
    axes.set_xticks(range(len(methods)), [plain(method) for method in methods], rotation=90)
    axes.set_yticks(range(len(methods)), [plain(method) for method in methods])
    axes.set_xlabel(label)
    return figure


def _significant(mark: Mark | None) -> float:
    return mark.value if mark and mark.sign else float("nan")


def _name_rows(axes: Axes, methods: Sequence[str]) -> None:
    axes.set_yticks(range(len(methods)), [plain(method) for method in methods])
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, pad=6)
