"""The drawings of a page. What stands for a method carries its number, for highlights and filters."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from harness.leaderboard.axes import Axis, linear_axis, log_axis
from harness.leaderboard.curves import LABELS, Curve
from harness.leaderboard.figures import Mark, Point, budgets
from harness.leaderboard.labels import Box, place_labels
from harness.leaderboard.page.svg import percent, tag
from harness.leaderboard.record import Cost
from harness.leaderboard.text import interval, number, power, scientific

ROW = 24  # pixels, as the rest of this page's heights
SCATTER, CURVE = 400, 190
SIGNS = {1: "pos", 0: "tie", -1: "neg"}
WIDE, NARROW, TICK = 980.0, 350.0, 58.0
"""Pixels that a drawing takes on a desk and on a phone, and a number below it."""
TRAINING, STAGE_COLOURS = "adapter", 11
FREE = 0.06
"""Share of the width at the left of the scatter where methods stand that cost nothing."""

LEFT, RIGHT = "M8 7L2 12L8 17", "M-8 7L-2 12L-8 17"
"""Arrows from an end of a row to what lies beyond it."""

Ids = Mapping[str, int]


def interval_bar(mark: Mark, axis: Axis, grid: str) -> Markup:
    """A dot with its interval, on the gridlines that `ruler` names `grid`; an arrow if beyond the axis."""
    middle = ROW / 2
    parts = [tag("use", href=f"#{grid}")]
    if not axis.holds(mark.value):
        end = tag("path", d=LEFT if mark.value < axis.low else RIGHT, class_="arrow")
        arrow = tag("svg", end, x=percent(axis.place(mark.value)), overflow="visible")
        return _row(*parts, arrow, sign=mark.sign)
    if mark.low is not None and mark.high is not None:
        low, high = percent(axis.place(mark.low)), percent(axis.place(mark.high))
        parts.append(tag("line", x1=low, x2=high, y1=middle, y2=middle, class_="ci"))
    parts.append(tag("circle", cx=percent(axis.place(mark.value)), cy=middle, r=4.5))
    return _row(*parts, sign=mark.sign)


def ruler(axis: Axis, grid: str, sign: bool = False) -> Markup:
    """The numbers of an axis, and its gridlines for other rows to use; zero stands out if signed."""
    decimals = 0 if all(float(tick).is_integer() for tick in axis.ticks) else 1
    places = {tick: percent(axis.place(tick)) for tick in axis.ticks}
    lines = [
        tag("line", x1=x, x2=x, y1=0, y2=ROW, class_="zero" if sign and tick == 0 else "g")
        for tick, x in places.items()
    ]
    texts = [
        tag("text", _signed(tick, decimals, sign and tick != 0), x=x, y=14) for tick, x in places.items()
    ]
    defined = tag("defs", tag("g", *lines, id=grid))
    return tag("svg", defined, *texts, class_="ruler", height=18, aria_hidden="true")


def strip(marks: Sequence[Mark]) -> Markup | None:
    """All differences on one line, ties below the significant ones; those beyond the axis are at its end."""
    if not marks:
        return None
    axis = linear_axis([mark.value for mark in marks], [0.0])
    zero = percent(axis.place(0))
    parts = [
        tag("line", x1="0%", x2="100%", y1=22, y2=22, class_="g"),
        tag("line", x1=zero, x2=zero, y1=6, y2=38, class_="zero"),
    ]
    for mark in sorted(marks, key=lambda mark: abs(mark.sign)):
        title, place, kind = tag("title", mark.method), percent(axis.place(mark.value)), SIGNS[mark.sign]
        if axis.holds(mark.value):
            parts.append(tag("circle", title, cx=place, cy=22, r=5, class_=kind))
        else:
            end = tag("path", d=LEFT if mark.value < axis.low else RIGHT, class_="arrow")
            parts.append(tag("svg", title, end, x=place, y=22 - ROW / 2, overflow="visible", class_=kind))
    parts += [
        tag("text", _signed(tick, 0, tick != 0), x=percent(axis.place(tick)), y=54)
        for tick in axis.ticks
        if float(tick).is_integer()
    ]
    return tag("svg", *parts, class_="strip", height=60, aria_hidden="true")


def stage_colours(names: Sequence[str]) -> dict[str, str]:
    """Stage -> class: training in the page's own colour, the others in colours of their own."""
    others = [name for name in names if name != TRAINING]
    return {TRAINING: "train"} | {name: f"s{place % STAGE_COLOURS}" for place, name in enumerate(others)}


def stage_bar(stages: Mapping[str, Cost], names: Sequence[str], most: float) -> Markup:
    """Seconds by stage, stacked; the whole width is `most` seconds."""
    colours = stage_colours(names)
    parts, start = [], 0.0
    for name in names:
        if name not in stages or not most:
            continue
        seconds = float(stages[name].wall_s)
        title = tag("title", f"{name}: {number(seconds, 1)} s")
        width = percent(seconds / most)
        parts.append(
            tag(
                "rect", title, x=percent(start / most), width=width, y=4, height=ROW - 8, class_=colours[name]
            )
        )
        start += seconds
    return _row(*parts)


def scatter(points: Sequence[Point], ids: Ids, baseline: str) -> Markup | None:
    """Win rate against FLOPs alone (log), with the Pareto front as steps; free methods stand at the left."""
    if not points:
        return None
    costs = [point.flops for point in points if point.flops > 0]
    across = log_axis(costs) if costs else Axis(1, 10, (), log=True)
    ends = [end for point in points for end in (point.mark.low, point.mark.high) if end is not None]
    up = linear_axis([point.mark.value for point in points], ends)
    free = 2 * FREE if len(costs) < len(points) else 0.0
    spots = {
        point.mark.method: (
            free + (1 - free) * across.place(point.flops) if point.flops > 0 else FREE,
            SCATTER * (1 - up.place(point.mark.value)),
        )
        for point in points
    }
    parts = [*_horizontals(up, SCATTER), *_columns(across, free)]
    parts += [*_budgets(points, spots), *_front(points, spots)]
    parts += [_spot(point, spots, up, ids, baseline) for point in points]
    parts += [*_heights(up, SCATTER), *_labels(points, spots, ids, baseline)]
    parts.append(tag("text", "win rate", x="0%", y=-14, class_="start name"))
    parts.append(tag("text", "FLOPs alone →", x="100%", y=SCATTER + 36, class_="end name"))
    return tag("svg", *parts, class_="scatter", height=SCATTER + 40, aria_hidden="true")


def curve_panel(measure: str, curves: Sequence[Curve], ids: Ids, lead: str, baseline: str) -> Markup:
    """One measure of all trainings; the first row of the board and the baseline stand out."""
    values = [value for curve in curves for _, value in curve.points]
    up = linear_axis(values, values, ticks=4)
    last = max(curve.points[-1][0] for curve in curves)
    across = Axis(0, last, linear_axis([0.0, last], ticks=4).ticks)
    rank = {lead: 2, baseline: 1}
    paths = [
        tag(
            "path",
            tag("title", curve.method),
            d=_path(curve, across, up),
            data_m=ids[curve.method],
            class_={2: "lead", 1: "base"}.get(rank.get(curve.method, 0)),
        )
        for curve in sorted(curves, key=lambda curve: rank.get(curve.method, 0))
    ]
    lines = tag(
        "svg",
        *paths,
        viewBox="0 0 1000 1000",
        preserveAspectRatio="none",
        width="100%",
        height=CURVE,
        class_="lines",
    )
    steps = [
        tag(
            "text",
            number(tick, 0),
            x=percent(across.place(tick)),
            y=CURVE + 16,
            class_=_edge(across.place(tick)),
        )
        for tick in across.ticks
        if across.holds(tick)
    ]
    return tag(
        "svg",
        *_horizontals(up, CURVE),
        lines,
        *_heights(up, CURVE),
        *steps,
        class_="curve",
        height=CURVE + 22,
        role="img",
        aria_label=f"{LABELS[measure]} by training step",
    )


def _row(*parts: Markup, sign: int = 0) -> Markup:
    return tag("svg", *parts, class_=f"row {SIGNS[sign]}", height=ROW, aria_hidden="true")


def _signed(tick: float, decimals: int, sign: bool = False) -> str:
    return number(tick, decimals, sign).replace("-", "−")


def _horizontals(up: Axis, height: float) -> list[Markup]:
    places = [height * (1 - up.place(tick)) for tick in up.ticks]
    return [tag("line", x1="0%", x2="100%", y1=y, y2=y, class_="g") for y in places]


def _heights(up: Axis, height: float) -> list[Markup]:
    """The gridlines' numbers, on them at the left."""
    decimals = 0 if all(float(tick).is_integer() for tick in up.ticks) else 2 if up.high - up.low < 1 else 1
    places = [(tick, height * (1 - up.place(tick))) for tick in up.ticks]
    return [
        tag("text", _signed(tick, decimals), x="0%", y=y - 4, class_="start") for tick, y in places if y > 12
    ]


def _columns(across: Axis, free: float) -> list[Markup]:
    places = [(free + (1 - free) * across.place(tick), power(tick)) for tick in across.ticks]
    places = [(FREE, "none"), *places] if free else places
    parts, last = [], -1.0
    for x, label in places:
        crowded = (x - last) * NARROW < TICK
        last = last if crowded else x
        kinds = " ".join(filter(None, [_edge(x), "wide" if crowded else None])) or None
        parts.append(tag("text", label, x=percent(x), y=SCATTER + 18, class_=kinds))
    return parts


def _edge(share: float) -> str | None:
    """Which end of a text stands at its place, so that it does not leave the drawing."""
    return "start" if share < 0.03 else "end" if share > 0.94 else None


def _front(points: Sequence[Point], spots: Mapping[str, tuple[float, float]]) -> list[Markup]:
    """Steps through the Pareto front: what is the best for at most this cost."""
    front = sorted(spots[point.mark.method] for point in points if point.pareto)
    parts = []
    for (x, y), (following, higher) in zip(
        front, [*front[1:], (1.0, front[-1][1])] if front else [], strict=True
    ):
        parts.append(tag("line", x1=percent(x), x2=percent(following), y1=y, y2=y, class_="front"))
        parts.append(
            tag("line", x1=percent(following), x2=percent(following), y1=y, y2=higher, class_="front")
        )
    return parts


def _budgets(points: Sequence[Point], spots: Mapping[str, tuple[float, float]]) -> list[Markup]:
    """Lines through one method at several budgets: its quality against its cost."""
    ends = [
        (*spots[one.mark.method], *spots[next_.mark.method])
        for kind in budgets(points)
        for one, next_ in pairwise(kind)
    ]
    return [
        tag("line", x1=percent(x), y1=y, x2=percent(further), y2=then, class_="budget")
        for x, y, further, then in ends
    ]


def _spot(
    point: Point, spots: Mapping[str, tuple[float, float]], up: Axis, ids: Ids, baseline: str
) -> Markup:
    mark = point.mark
    x, y = spots[mark.method]
    shown = interval(mark.value, mark.high, 1)
    parts = [tag("title", f"{mark.method}: {shown} points, {scientific(point.flops)} FLOPs")]
    if not up.holds(mark.value):
        arrow = f"M-5 {y - 9:.0f}L0 {y - 2:.0f}L5 {y - 9:.0f}" if y > 1 else "M-5 9L0 2L5 9"
        parts.append(tag("svg", tag("path", d=arrow, class_="arrow"), x=percent(x), overflow="visible"))
    elif mark.low is not None and mark.high is not None:
        low, high = (SCATTER * (1 - up.place(end)) for end in (mark.low, mark.high))
        parts.append(tag("line", x1=percent(x), x2=percent(x), y1=low, y2=high, class_="ci"))
    if up.holds(mark.value):
        parts.append(tag("circle", cx=percent(x), cy=y, r=5.5))
    kinds = ["spot", "pareto" if point.pareto else "", "base" if mark.method == baseline else ""]
    return tag("g", *parts, class_=" ".join(filter(None, kinds)), data_m=ids[mark.method])


def _labels(
    points: Sequence[Point], spots: Mapping[str, tuple[float, float]], ids: Ids, baseline: str
) -> list[Markup]:
    """Names beside their spots where there is room: once for a wide drawing and once for a narrow one."""
    first = sorted(points, key=lambda point: (point.mark.method != baseline, not point.pareto))
    names = [point.mark.method for point in first]
    parts = []
    for kind, width in (("wide", WIDE), ("narrow", NARROW)):
        for name, label in place_labels(names, spots, width, SCATTER).items():
            parts.append(_label(name, label, kind, ids))
    return parts


def _label(name: str, label: Box, kind: str, ids: Ids) -> Markup:
    return tag(
        "text",
        name,
        x=percent(label.share),
        dx=label.dx,
        y=label.y,
        class_=f"label {kind} {label.anchor}",
        data_m=ids[name],
    )


def _path(curve: Curve, across: Axis, up: Axis) -> str:
    spots = [(1000 * across.place(step), 1000 * (1 - up.place(value))) for step, value in curve.points]
    return "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in spots)
