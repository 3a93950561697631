"""Which records belong on one board, and which of them may be compared with each other."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import BadInput
from harness.leaderboard.layout import dotted
from harness.leaderboard.record import Record

_SHARED = ("recipe", "title", "baseline")

NOT_APPLICABLE = "does not apply"
"""What a row says of a condition that nothing in it rests on; it agrees with every other row there."""


@dataclass(frozen=True)
class Group:
    """The records that may be compared with each other, grouped by method in the recipe's order."""

    baseline: str
    comparable: dict[str, str]
    methods: dict[str, list[Record]]

    @property
    def records(self) -> list[Record]:
        """All records of the group."""
        return [record for records in self.methods.values() for record in records]

    @property
    def seeds(self) -> list[int]:
        """All replicates that any method of the group has."""
        return sorted({record.replicate for record in self.records})


def split(records: Sequence[Record]) -> list[Group]:
    """The groups of comparable records: those with the baseline first, then in the recipe's order."""
    baseline = records[0].baseline
    ordered = sorted(records, key=lambda r: (r.order, r.method, r.replicate))
    conditions: list[dict[str, str]] = []
    # those that say most come first, so that one to which something does not apply has a choice
    for record in sorted(ordered, key=lambda r: (_silent(r), r.method != baseline)):
        if _place(record, conditions) is None:
            conditions.append(dict(record.comparable))
    groups: list[dict[str, list[Record]]] = [{} for _ in conditions]
    for record in ordered:
        at = _place(record, conditions)
        assert at is not None  # it made a condition of its own above, if it met none
        groups[at].setdefault(record.method, []).append(record)
    filled = [Group(baseline, *pair) for pair in zip(conditions, groups, strict=True) if pair[1]]
    return sorted(filled, key=lambda group: (baseline not in group.methods, group.records[0].order))


def _silent(record: Record) -> int:
    return list(record.comparable.values()).count(NOT_APPLICABLE)


def _place(record: Record, conditions: Sequence[Mapping[str, str]]) -> int | None:
    """The first of the conditions that the record was made under."""
    mine = record.comparable
    for at, theirs in enumerate(conditions):
        if mine.keys() == theirs.keys() and all(
            NOT_APPLICABLE in (mine[key], theirs[key]) or mine[key] == theirs[key] for key in mine
        ):
            return at
    return None


def merged(provenances: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Key -> the value that all agree on, or the sorted list of their different values; tables by their keys.

    A list counts as several values, so that what was merged can be merged again.
    """
    values: dict[str, list[Any]] = {}
    for provenance in provenances:
        for key, value in provenance.items():
            values.setdefault(key, []).extend(value if isinstance(value, list) else [value])
    return {key: _one_or_all(found) for key, found in sorted(values.items())}


def _one_or_all(values: Sequence[Any]) -> Any:
    if values and all(isinstance(value, Mapping) for value in values):
        return merged(values)
    different = {json.dumps(value, sort_keys=True): value for value in values}
    return values[0] if len(different) == 1 else [different[text] for text in sorted(different)]


def check_one_recipe(records: Sequence[Record]) -> None:
    """Raise BadInput unless there are records, all of one recipe, with the same fixed part and methods."""
    if not records:
        raise BadInput("There are no records to make a leaderboard from. Run the recipe first.")
    shared = {name: sorted({getattr(record, name) for record in records}) for name in _SHARED}
    problems = [
        f"Records of one leaderboard must have the same {name}. Got {found}. "
        "Run the recipe again, and delete the records that are left from before."
        for name, found in shared.items()
        if len(found) > 1
    ]
    problems += _unequal(records)
    first = {record.method: record for record in reversed(records)}
    problems += [
        f"Method '{record.method}' was declared otherwise for seed {record.replicate} than for seed "
        f"{first[record.method].replicate}. Run the recipe again."
        for record in records
        if record.declared != first[record.method].declared
    ]
    if problems:
        raise BadInput(problems)


def _unequal(records: Sequence[Record]) -> list[str]:
    """A sentence for each setting that is not the same in all records though it is no method's own."""
    settings = {json.dumps(record.fixed, sort_keys=True): dotted(record.fixed) for record in records}
    keys = sorted({key for setting in settings.values() for key in setting})
    values = {key: sorted({setting.get(key, "not set") for setting in settings.values()}) for key in keys}
    return [
        f"Records of one leaderboard must be equal in {key}. Got {' and '.join(found)}. "
        "Run the recipe again, and delete the records that are left from before."
        for key, found in values.items()
        if len(found) > 1
    ]
