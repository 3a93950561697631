"""Who is significantly better than whom, and who is on the Pareto front.

Rank = 1 + the number of methods that are significantly better in win rate, by paired tests between all ranked
methods, Holm-adjusted together. Equal rank means that the data do not tell the methods apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.leaderboard import scores
from harness.leaderboard.scores import Judged
from harness.leaderboard.statistics import Estimate, holm

ALPHA = 0.05


@dataclass(frozen=True)
class Ranking:
    """Ranks, who is tied with whom, first - second for each pair, and how many pairs are separated."""

    ranks: dict[str, int]
    ties: dict[str, list[str]]
    comparisons: dict[tuple[str, str], Estimate]
    separated: int


def rank_methods(methods: Mapping[str, Judged]) -> Ranking:
    """Rank `methods` (id -> judged win rates) by paired comparisons of all with all.

    A pair with nothing in common, or whose difference has no spread, cannot be tested and counts as a tie.
    """
    found = {(a, b): scores.difference(methods[a], methods[b]) for a, b in combinations(methods, 2)}
    comparisons = {pair: gap for pair, gap in found.items() if gap is not None}
    adjusted = holm([gap.p for gap in comparisons.values()])
    significant = [
        pair if gap.mean > 0 else pair[::-1]
        for (pair, gap), p in zip(comparisons.items(), adjusted, strict=True)
        if p is not None and p < ALPHA
    ]
    apart = {frozenset(pair) for pair in significant}
    return Ranking(
        ranks={method: 1 + sum(worse == method for _, worse in significant) for method in methods},
        ties={a: [b for b in methods if b != a and frozenset((a, b)) not in apart] for a in methods},
        comparisons=comparisons,
        separated=len(significant),
    )


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """For each (quality, cost): no other point is as good and as cheap, and better in one of the two."""
    return [
        not any(other != point and other[0] >= point[0] and other[1] <= point[1] for other in points)
        for point in points
    ]
