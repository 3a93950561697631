"""Depth: how many pairs each prompt gets.

Every kind returns counts [prompt_count] that sum exactly to `total`, are at most the prompt's candidates, and
are at least `minimum` for each prompt that has so many. All raise ShortBudget where that cannot be.
"""

from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt

from harness.errors import BadInput
from harness.methods.apportion import apportion, check_budget
from harness.methods.candidates import Candidates, Floats, Ints, rank_within
from harness.methods.clustering import PairClusters

Preference = Literal["near", "far", "uniform"]


def uniform(candidates: Candidates, total: int, rng: np.random.Generator, minimum: int = 1) -> Ints:
    """As equal as the caps allow; prompts drawn at random get the odd pairs."""
    order = rng.permutation(candidates.prompt_count)
    counts = np.empty(candidates.prompt_count, np.int64)
    counts[order] = apportion(np.ones(len(order)), total, candidates.per_prompt[order], minimum)
    return counts


def at_random(candidates: Candidates, total: int, rng: np.random.Generator, minimum: int = 1) -> Ints:
    """The minimum for each prompt, then pairs drawn at random among all that are left."""
    low = check_budget(total, candidates.per_prompt, minimum)
    left = candidates.per_prompt - low
    return low + rng.multivariate_hypergeometric(left, total - int(low.sum()), method="marginals")


def by_length(candidates: Candidates, lengths: Ints, total: int, minimum: int = 1) -> Ints:
    """In proportion to the mean length of the responses in the prompt's candidates.

    Args:
        candidates: the usable pairs.
        lengths: the length of each response of the flat list, in any unit.
        total: the budget of pairs.
        minimum: the least for each prompt.
    """
    pair_lengths = (lengths[candidates.chosen] + lengths[candidates.rejected]) / 2
    return apportion(_prompt_means(candidates, pair_lengths), total, candidates.per_prompt, minimum)


def by_score_gap(candidates: Candidates, total: int, minimum: int = 1) -> Ints:
    """In proportion to the mean score gap of the prompt's candidates."""
    return apportion(_prompt_means(candidates, candidates.gap), total, candidates.per_prompt, minimum)


def by_value(candidates: Candidates, values: Floats, total: int, minimum: int = 1) -> Ints:
    """Count, for each prompt, the pairs that are among the best of the whole pool.

    First each prompt takes its own `minimum` best pairs, then the best of all the others fill the budget;
    equal values go by position. With `pairing.by_value` and no minimum, these are the best `total` pairs.

    Args:
        candidates: the usable pairs.
        values: [P] the highest are taken first; -inf comes last.
        total: the budget of pairs.
        minimum: the least for each prompt.

    Raises:
        BadInput: a value is not a number.
    """
    check_budget(total, candidates.per_prompt, minimum)
    broken = np.flatnonzero(np.isnan(values))
    if len(broken):
        at = candidates.prompt[broken[0]]
        raise BadInput(
            f"A pair of prompt {at} has no value (nan), so it cannot be ranked. Leave that prompt out."
        )
    first = rank_within(candidates.prompt, -values) < minimum
    return _filled(candidates, -values, first, total)


def by_weight(candidates: Candidates, weights: Floats, total: int, minimum: int = 1) -> Ints:
    """In proportion to the sum of `weights` [P] over the prompt's candidates.

    Where a prompt's candidates weigh nothing at all it still has a billionth of the heaviest prompt's share:
    it comes last, but can be reached.
    """
    sums = np.bincount(candidates.prompt, weights=weights, minlength=candidates.prompt_count)
    least = max(float(sums.max(initial=0)) * 1e-9, np.finfo(np.float64).tiny)
    shares = np.where(candidates.per_prompt > 0, np.maximum(sums, least), 0)
    return apportion(shares, total, candidates.per_prompt, minimum)


def softmax_weights(clusters: PairClusters, prefer: Preference, temperature: float) -> Floats:
    """[P] exp(similarity / temperature): a pair counts more the nearer it is to its own cluster's centre.

    The similarity is minus the distance (near), the distance (far), or the same for all (uniform): then each
    cluster weighs as much as any other. Pairs without a direction weigh nothing.
    """
    match prefer:
        case "near" | "far":
            similarity = -clusters.distances if prefer == "near" else clusters.distances
            similarity = np.where(clusters.directionless, -np.inf, similarity / temperature)
            weights: Floats = np.exp(similarity - similarity.max())
            return weights
        case "uniform":
            return share_weights(clusters, prefer)
        case _:
            assert_never(prefer)


def share_weights(clusters: PairClusters, prefer: Preference) -> Floats:
    """[P] The share of its cluster that a pair leaves behind, itself included: from 1 down to 1 / size.

    near: the share that lies no nearer to the centre; far: no farther. So distances are compared only within
    a cluster, and tight clusters weigh no more than loose ones of their size. uniform: 1 / size, so that each
    cluster weighs the same. Pairs without a direction weigh nothing.
    """
    sizes = np.bincount(clusters.labels + 1)[clusters.labels + 1]  # [P], those without a direction together
    if prefer == "uniform":
        return np.where(clusters.directionless, 0, 1 / sizes)
    nearest_first = clusters.distances if prefer == "near" else -clusters.distances
    return np.where(clusters.directionless, 0, 1 - rank_within(clusters.labels, nearest_first) / sizes)


def by_gradient_clusters(
    candidates: Candidates,
    clusters: PairClusters,
    prefer: Preference,
    total: int,
    rng: np.random.Generator,
    minimum: int = 1,
) -> Ints:
    """Count, for each prompt, the pairs that a preference over clusters of pair gradients takes.

    First each prompt takes its own `minimum` best pairs, then the best of all the others fill the budget:

    - near: the pairs nearest to their cluster's centre (our reading of Figure 3 of arXiv 2411.10914);
    - far: those farthest from it, as a control;
    - uniform: random pairs, so that the clusters' totals are as equal as their sizes allow.

    Pairs without a direction come last under each. Distances of different clusters are compared as they are,
    so tight clusters, and single pairs that form their own, count as near.

    Args:
        candidates: the usable pairs.
        clusters: their clusters, in the same order; give the same to `pairing.nearest`.
        prefer: near, far or uniform.
        total: the budget of pairs.
        rng: used by `uniform` only.
        minimum: the least for each prompt.
    """
    check_budget(total, candidates.per_prompt, minimum)
    cost = _cost(clusters, prefer, rng)
    first = rank_within(candidates.prompt, cost) < minimum
    if prefer == "uniform":
        cost = _levels(clusters, cost, first)
    return _filled(candidates, cost, first, total)


def _filled(candidates: Candidates, cost: Floats, first: npt.NDArray[np.bool_], total: int) -> Ints:
    """Counts by prompt of the pairs in `first` [P] and, up to `total`, of those of the least cost."""
    others = np.flatnonzero(~first)
    best = others[np.argsort(cost[others], kind="stable")[: total - np.count_nonzero(first)]]
    taken = np.concatenate((np.flatnonzero(first), best))
    return np.bincount(candidates.prompt[taken], minlength=candidates.prompt_count).astype(np.int64)


def _cost(clusters: PairClusters, prefer: Preference, rng: np.random.Generator) -> Floats:
    """[P] The order in which pairs are taken, lowest first; infinite without a direction."""
    match prefer:
        case "near":
            cost = clusters.distances
        case "far":
            cost = -clusters.distances
        case "uniform":
            cost = rng.random(len(clusters.labels))
        case _:
            assert_never(prefer)
    return np.where(clusters.directionless, np.inf, cost)


def _levels(clusters: PairClusters, cost: Floats, first: npt.NDArray[np.bool_]) -> Floats:
    """[P] How full its cluster is before a pair is taken: lowest first fills the clusters evenly.

    `first` [P] are the pairs already taken. Random costs below 1 decide between clusters equally full.
    """
    taken_first = np.where(first, -1.0, cost)
    return rank_within(clusters.labels, taken_first) + cost


def _prompt_means(candidates: Candidates, values: Floats) -> Floats:
    """[prompt_count] mean of `values` [P] over each prompt's candidates; 0 where it has none."""
    sums = np.bincount(candidates.prompt, weights=values, minlength=candidates.prompt_count)
    return sums / np.maximum(candidates.per_prompt, 1)
