"""What changed between two boards: scores and costs of the rows that both have, with intervals."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from harness.leaderboard import cost, scores
from harness.leaderboard.assemble import make_table
from harness.leaderboard.groups import split
from harness.leaderboard.layout import dotted
from harness.leaderboard.lengths import controlled
from harness.leaderboard.record import Record
from harness.leaderboard.render import plain_table
from harness.leaderboard.scores import LENGTH_CONTROLLED, MEAN_LENGTH, Judged
from harness.leaderboard.statistics import Estimate

COST = "cost.alone."
Place: TypeAlias = tuple[int, str]
"""Section and method of a row."""

Verdict: TypeAlias = Literal["better", "worse", "not told apart", "no interval", "differs"]


@dataclass(frozen=True)
class Side:
    """A board: its table as in `table.json`, and, where there are records, what they hold of each row."""

    table: Mapping[str, Any]
    judged: Mapping[Place, Mapping[str, Judged]]


@dataclass(frozen=True)
class Change:
    """A metric of a row: after - before, with its 95 % interval where there is one.

    `paired` says whether the interval is that of a paired difference. "better" is a gain of a score and a
    saving of a cost; of lengths it is only said that they differ.
    """

    row: str
    metric: str
    before: float
    after: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    paired: bool
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """All changes, what only one side has, as (row, metric) or (row, None), and the settings that differ.

    `incomplete` are the rows that lack judgments after.
    """

    changes: list[Change]
    gone: list[tuple[str, str | None]]
    new: list[tuple[str, str | None]]
    incomplete: list[str]
    settings: list[str]


def side_of_records(records: Sequence[Record]) -> Side:
    """A board from its records.

    Raises:
        BadInput: they cannot be of one recipe.
    """
    judged: dict[Place, dict[str, Judged]] = {}
    for number, group in enumerate(split(records), start=1):
        control = controlled(group.methods)
        for method, own in group.methods.items():
            metrics = {metric for record in own for metric in record.items}
            row = {metric: scores.judged(own, metric) for metric in metrics}
            if control is not None and method in control.methods:
                row[LENGTH_CONTROLLED] = control.methods[method]
            costs = {one.replicate: cost.cost_alone([one]).model_dump() for one in own}
            for field in cost.FIELDS:
                row[COST + field] = {replicate: {"": spent[field]} for replicate, spent in costs.items()}
            judged[number, method] = row
    return Side(plain_table(make_table(records)), judged)


def side_of_table(table: Any) -> Side:
    """A board from the content of its `table.json` alone.

    Raises:
        ValueError: it is none.
    """
    try:
        _number(table["schema_version"])
        _rows(table)
        _held_equal(table)
        _incomplete(table)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError):
        raise ValueError("not a table of a board") from None
    return Side(table, {})


def compare(before: Side, after: Side) -> Comparison:
    """Every metric of every row that both sides have, paired where they hold the same items.

    Paired differences are those of `statistics.estimate`. They are taken where one side's prompts and
    replicates hold all of the other's, and the evaluation was declared alike. Elsewhere the interval is made
    of the two sides' own by squaring and adding the distances to their ends (Zou and Donner 2008), and wider.
    """
    rows_before, rows_after = _rows(before.table), _rows(after.table)
    alike = before.table["fixed"].get("evaluation") == after.table["fixed"].get("evaluation")
    sides = (before, after) if alike else ()
    changes = [
        _change(place, metric, value, rows_after[place][metric], _paired(place, metric, sides))
        for place, old in rows_before.items()
        if place in rows_after
        for metric, value in old.items()
        if metric in rows_after[place]
    ]
    return Comparison(
        changes,
        gone=_lacking(rows_before, rows_after),
        new=_lacking(rows_after, rows_before),
        incomplete=_incomplete(after.table),
        settings=_settings(before, after),
    )


Value: TypeAlias = tuple[float, float | None, float | None]
"""A mean and the ends of its interval."""


def _rows(table: Mapping[str, Any]) -> dict[Place, dict[str, Value]]:
    return {(row["section"], row["method"]): dict(_values(row)) for row in table["rows"]}


def _values(row: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    for metric, score in row["scores"].items():
        if score is not None:
            low, high = (None if score[end] is None else _number(score[end]) for end in ("ci_low", "ci_high"))
            yield metric, (_number(score["mean"]), low, high)
    for field, value in ((row["cost"] or {}).get("alone") or {}).items():
        if not isinstance(value, str):  # as how the energy is known
            yield COST + field, (_number(value), None, None)


def _number(value: Any) -> float:
    """The float of a number; a text such as "nan" would make one, too, and is a TypeError."""
    if not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _paired(place: Place, metric: str, sides: Sequence[Side]) -> Estimate | None:
    """After - before, on what both have, where one has all that the other has."""
    held = [side.judged.get(place, {}).get(metric, {}) for side in sides]
    return scores.difference(held[1], held[0]) if len(held) == 2 and _nested(*held) else None


def _change(place: Place, metric: str, before: Value, after: Value, gap: Estimate | None) -> Change:
    ends = (gap.mean, gap.ci_low, gap.ci_high) if gap is not None else _apart(before, after)
    verdict = _verdict(metric, *ends)
    return Change(_named(place), metric, before[0], after[0], *ends, gap is not None, verdict)


def _nested(first: Judged, second: Judged) -> bool:
    """Whether one side was judged on all that the other was."""
    one, other = ({(r, item) for r, items in side.items() for item in items} for side in (first, second))
    return bool(one and other) and (one <= other or other <= one)


def _apart(before: Value, after: Value) -> Value:
    (old, *old_ends), (new, *new_ends) = before, after
    difference = new - old
    if None in old_ends or None in new_ends:
        return difference, None, None
    half = math.hypot(old_ends[1] - old, new_ends[1] - new)  # type: ignore[operator]
    return difference, difference - half, difference + half


def _verdict(metric: str, difference: float, low: float | None, high: float | None) -> Verdict:
    if difference == 0 or (low is not None and high is not None and low <= 0 <= high):
        return "not told apart"
    if low is None:
        return "no interval"
    if metric == MEAN_LENGTH:
        return "differs"
    return "better" if (difference > 0) != metric.startswith(COST) else "worse"


def _lacking(
    rows: Mapping[Place, Mapping[str, Value]], others: Mapping[Place, Mapping[str, Value]]
) -> list[tuple[str, str | None]]:
    """What `rows` have and `others` lack."""
    found: list[tuple[str, str | None]] = []
    for place, metrics in rows.items():
        if place not in others:
            found.append((_named(place), None))
        else:
            found += [(_named(place), metric) for metric in metrics if metric not in others[place]]
    return found


def _incomplete(table: Mapping[str, Any]) -> list[str]:
    return [_named((row["section"], row["method"])) for row in table["rows"] if not row["complete"]]


def _named(place: Place) -> str:
    section, method = place
    return method if section == 1 else f"{method} (section {section})"


def _settings(before: Side, after: Side) -> list[str]:
    """What was held equal, and what rows must share to be compared, where the two boards differ in it."""
    old, new = _held_equal(before.table), _held_equal(after.table)
    return [
        f"{key}: {old.get(key, 'not set')} before, {new.get(key, 'not set')} after"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _held_equal(table: Mapping[str, Any]) -> dict[str, str]:
    fixed = dotted({**table["fixed"], "baseline": table["baseline"]})
    return fixed | dotted(table["sections"][0]["comparable"])
