"""Who is significantly better than whom, and who is on the Pareto front.

Rank = 1 + the number of methods that are significantly better in win rate, by paired tests between all ranked
methods, Holm-adjusted together. Equal rank means that the data do not tell the methods apart. The interval
beside it is of the place by mean win rate, from a bootstrap, and need not hold the rank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.leaderboard import scores
from harness.leaderboard.bootstrap import rank_intervals
from harness.leaderboard.scores import Judged
from harness.leaderboard.statistics import Estimate

ALPHA = 0.05


@dataclass(frozen=True)
class Ranking:
    """Ranks and their bootstrap intervals, who is tied with whom, and first - second for each pair.

    `adjusted` are the comparisons' p values after Holm, and `separated` counts those below ALPHA. There are
    no intervals where the methods have no prompt in common.
    """

    ranks: dict[str, int]
    intervals: dict[str, tuple[int, int]]
    ties: dict[str, list[str]]
    comparisons: dict[tuple[str, str], Estimate]
    adjusted: dict[tuple[str, str], float | None]
    separated: int


def rank_methods(methods: Mapping[str, Judged]) -> Ranking:
    """Rank `methods` (id -> judged win rates) by paired comparisons of all with all.

    A pair with nothing in common, or whose difference has no spread, cannot be tested and counts as a tie.
    """
    found = {(a, b): scores.difference(methods[a], methods[b]) for a, b in combinations(methods, 2)}
    comparisons = {pair: gap for pair, gap in found.items() if gap is not None}
    adjusted = scores.holm_adjusted(comparisons, methods)
    significant = [
        pair if comparisons[pair].mean > 0 else pair[::-1]
        for pair, p in adjusted.items()
        if p is not None and p < ALPHA
    ]
    apart = {frozenset(pair) for pair in significant}
    return Ranking(
        ranks={method: 1 + sum(worse == method for _, worse in significant) for method in methods},
        intervals=_intervals(methods),
        ties={a: [b for b in methods if b != a and frozenset((a, b)) not in apart] for a in methods},
        comparisons=comparisons,
        adjusted=adjusted,
        separated=len(significant),
    )


def _intervals(methods: Mapping[str, Judged]) -> dict[str, tuple[int, int]]:
    tables = scores.rectangle(*methods.values()) if methods else None
    return {} if tables is None else dict(zip(methods, rank_intervals(np.stack(tables)), strict=True))


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """For each (quality, cost): no other point is as good and as cheap, and better in one of the two."""
    return [
        not any(other != point and other[0] >= point[0] and other[1] <= point[1] for other in points)
        for point in points
    ]
