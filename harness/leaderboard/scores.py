"""From judgments to tables: which were made, what is common to two methods, and what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.leaderboard.record import Record
from harness.leaderboard.statistics import Estimate, Noise, estimate, family_p, holm, replicate_noise

K = TypeVar("K")

WIN_RATE = "alpaca_eval.win_rate"
LENGTH_CONTROLLED = "alpaca_eval.lc_win_rate"
MEAN_LENGTH = "alpaca_eval.mean_length"
REFERENCE_LENGTH = "alpaca_eval.reference_length"
"""In records, so that length control is made from them alone; a property of the prompts, not a score."""

Judged = Mapping[int, Mapping[str, float]]
"""Replicate -> item id -> mean over the samples that were judged; nothing else is in it."""


@dataclass(frozen=True)
class OwnScore:
    """A method's mean over all its judged items, with the ends of a 95 % interval where there is one."""

    mean: float
    ci_low: float | None
    ci_high: float | None


def judged(records: Sequence[Record], metric: str) -> Judged:
    """The judged items of one method's records; an item without any judgment is left out."""
    return {record.replicate: items for record in records if (items := _item_means(record, metric))}


def rectangle(*methods: Judged) -> list[NDArray[np.float64]] | None:
    """One table [replicates, items] for each method, over the replicates and items that all of them have.

    An item must be judged in every common replicate: the tables have no holes. None if nothing is common.
    """
    replicates = sorted(set.intersection(*(set(method) for method in methods)))
    if not replicates:
        return None
    ids = sorted(set.intersection(*(set(method[r]) for method in methods for r in replicates)))
    if not ids:
        return None
    return [np.array([[method[r][item] for item in ids] for r in replicates]) for method in methods]


def score(method: Judged) -> OwnScore | None:
    """A method's own mean over all that was judged, in whichever replicate.

    The half width is that of the items judged in every replicate: with holes in the table it is that of fewer
    items, so rather too wide. Without such an item there is no interval.
    """
    values = [value for items in method.values() for value in items.values()]
    if not values:
        return None
    mean = float(np.mean(values))
    tables = rectangle(method)
    whole = None if tables is None else estimate(tables[0])
    if whole is None or whole.ci_high is None:
        return OwnScore(mean, None, None)
    half = whole.ci_high - whole.mean
    return OwnScore(mean, mean - half, mean + half)


def difference(method: Judged, other: Judged) -> Estimate | None:
    """The mean of method - other, paired by (item, replicate): what is equal for both cancels out."""
    tables = rectangle(method, other)
    return None if tables is None else estimate(tables[0] - tables[1])


def holm_adjusted(gaps: Mapping[K, Estimate | None], methods: Mapping[str, Judged]) -> dict[K, float | None]:
    """P values of differences between `methods`, adjusted for their number and for the noise of replicates.

    A single comparison keeps its own p.
    """
    made = [gap for gap in gaps.values() if gap is not None]
    noise = _pooled_noise(methods) if len(made) > 1 else None
    p_values = [None if gap is None else family_p(gap, noise) for gap in gaps.values()]
    return dict(zip(gaps, holm(p_values), strict=True))


def _pooled_noise(methods: Mapping[str, Judged]) -> Noise | None:
    """Over the methods that have every replicate that any has."""
    replicates = {replicate for method in methods.values() for replicate in method}
    whole = [method for method in methods.values() if method and set(method) == replicates]
    tables = rectangle(*whole) if len(whole) > 1 else None
    return None if tables is None else replicate_noise(np.stack(tables))


def count_judgments(records: Sequence[Record], metric: str) -> int:
    """How many judgments of `metric` the records hold."""
    rows = (row for record in records if metric in record.items for row in record.items[metric].values)
    return sum(value is not None for row in rows for value in row)


def count_expected(records: Sequence[Record], metric: str) -> int:
    """How many judgments one complete method has, given the records of all methods.

    In every replicate, each item that any method has, as often as it was sampled at most.
    """
    most: dict[tuple[int, str], int] = {}
    for record in records:
        if metric in record.items:
            items = record.items[metric]
            for item, row in zip(items.ids, items.values, strict=True):
                place = record.replicate, item
                most[place] = max(most.get(place, 0), len(row))
    return sum(most.values())


def _item_means(record: Record, metric: str) -> dict[str, float]:
    if metric not in record.items:
        return {}
    items = record.items[metric]
    made = {
        item: [v for v in row if v is not None] for item, row in zip(items.ids, items.values, strict=True)
    }
    return {item: sum(values) / len(values) for item, values in made.items() if values}
