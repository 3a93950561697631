"""What a method must spend to reach the baseline's quality, by its own budget points on the board."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.leaderboard.scores import WIN_RATE
from harness.leaderboard.table import Reach, Row

SIZE = (("breadth", "prompts"), ("depth", "pairs"))
"""What a method declares of its size, besides `responses_per_prompt`."""


def reaches(rows: Sequence[Row], baseline: str) -> dict[str, Reach]:
    """Each ranked row -> the FLOPs alone at which its kind of method first has the baseline's win rate.

    The rows that declare the same but for their size are one method at several budgets. The cheapest of them
    whose paired difference to the baseline is not below zero has reached it; the dearest of those that are
    cheaper has not, so that the cost lies between the two. Nothing is interpolated, and a single budget
    gives an upper bound, or none. Empty where the baseline is not ranked.
    """
    ranked = [row for row in rows if row.rank is not None]
    if baseline not in {row.method for row in ranked}:
        return {}
    families: dict[str, list[Row]] = {}
    for row in ranked:
        families.setdefault(family_of(row), []).append(row)
    return {row.method: _reach(families[family_of(row)], baseline) for row in ranked}


def without_size(declared: Mapping[str, Any]) -> str:
    """What a method declares besides its size, as a key; a uniform depth is the same as none."""
    rest = {name: dict(part) if isinstance(part, Mapping) else part for name, part in declared.items()}
    rest.pop("responses_per_prompt")
    for part, key in SIZE:
        rest.get(part, {}).pop(key, None)
    if rest.get("depth", {}).get("kind") == "uniform":
        rest.pop("depth")
    return json.dumps({name: part for name, part in rest.items() if part != {}}, sort_keys=True)


def reached(reach: Reach | None, told: Callable[[float], str]) -> str:
    """The range of FLOPs in which a method reaches the baseline's win rate, each end as `told` shows it."""
    if reach is None:
        return "–"
    if reach.flops is None:
        return "not reached"
    low = "≤ " if reach.more_than is None else f"{told(reach.more_than)} – "
    return low + told(reach.flops)


def family_of(row: Row) -> str:
    """A key of the row's method at all budgets; what has no budget is alone."""
    return without_size(row.declared) if row.declared.get("responses_per_prompt") else f"only {row.method}"


def _reach(family: Sequence[Row], baseline: str) -> Reach:
    points = sorted(family, key=lambda row: row.cost.alone.flops)
    missed = None
    for row in points:
        own = row.scores[WIN_RATE]
        gap = own.difference if own else None
        if row.method == baseline or (gap is not None and gap.mean >= 0):
            sure = gap is not None and gap.ci_low is not None and gap.ci_low >= 0
            return Reach(float(row.cost.alone.flops), missed, sure)
        missed = float(row.cost.alone.flops)
    return Reach(None, missed, False)
