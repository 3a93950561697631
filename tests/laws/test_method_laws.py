"""One list of laws for every kind of breadth, depth and pairing.

Each kind stands in a table below with what it takes; each law runs on every kind of its table, on several
random pools. A new kind is one line here. (`breadth.every` has no budget and no seed.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from harness.errors import ShortBudget
from harness.methods import breadth, depth, pairing
from harness.methods.candidates import Candidates, Floats, Ints, make_candidates
from harness.methods.clustering import Algorithm, Matrix, PairClusters, cluster, cluster_pairs

SEEDS = range(4)


@dataclass(frozen=True, eq=False)
class Pool:
    """All that any kind may look at; `lengths`, `scores` and `prompt_of` are of the responses.

    `values` stand for whatever a depth rule ranks pairs by: score gaps, margins, norms, cosines. Some are
    equal, and some are those of pairs without a direction.
    """

    candidates: Candidates
    clusters: PairClusters
    lengths: Ints
    scores: Floats
    prompt_of: Ints
    values: Floats


def make_pool(seed: int) -> Pool:
    """20 prompts of 1 to 8 responses; some texts repeated, scores tied, and pairs without direction."""
    rng = np.random.default_rng(seed)
    prompt_of = np.repeat(np.arange(20), rng.integers(1, 9, 20))
    texts = [f"t{code}" for code in rng.integers(0, 20, len(prompt_of))]
    scores = np.round(rng.normal(0, 2, len(prompt_of)), 1)
    candidates = make_candidates(prompt_of.tolist(), texts, scores.tolist())
    features = rng.normal(size=(len(candidates), 6)).astype(np.float32)
    features[rng.random(len(candidates)) < 0.1] = 0
    clusters = cluster_pairs(features, 8, seed)
    lengths = rng.integers(1, 10_000, len(prompt_of))
    values = np.where(features.any(axis=1), rng.normal(size=len(candidates)), -np.inf)
    return Pool(candidates, clusters, lengths, scores, prompt_of, values)


def reordered(pool: Pool, order: Ints) -> tuple[Pool, Ints]:
    """The pool with prompt order[i] in place i, and where each of its candidates was before."""
    place = np.argsort(order)
    moved = np.argsort(place[pool.candidates.prompt], kind="stable")
    old = pool.candidates
    candidates = Candidates(
        place[old.prompt[moved]], old.chosen[moved], old.rejected[moved], old.gap[moved], old.prompt_count
    )
    clusters = PairClusters(pool.clusters.labels[moved], pool.clusters.distances[moved])
    prompt_of = place[pool.prompt_of]
    return Pool(candidates, clusters, pool.lengths, pool.scores, prompt_of, pool.values[moved]), moved


# --- breadth ---------------------------------------------------------------------------------------------

Breadth = Callable[[Matrix, int, int], Ints]


def clusters(pick: breadth.Pick, algorithm: Algorithm, rows: Matrix, count: int, seed: int) -> Ints:
    found = cluster(rows, min(count, 7), seed, algorithm)
    return breadth.cluster_representatives(found, count, pick, np.random.default_rng(seed))


def score_variance(rows: Matrix, count: int, seed: int) -> Ints:
    """A prompt's row stands for the scores of its eight responses."""
    prompt_of = np.repeat(np.arange(len(rows)), rows.shape[1])
    values = breadth.preference_variance(prompt_of, rows.ravel().astype(np.float64), len(rows))
    return breadth.highest(values, count)


BREADTH: dict[str, Breadth] = {
    "random": lambda rows, count, seed: breadth.random_prompts(len(rows), count, np.random.default_rng(seed)),
    "clusters-centre": partial(clusters, "centre", "k-means"),
    "clusters-random": partial(clusters, "random", "k-means"),
    "clusters-proportional": partial(clusters, "proportional", "k-means"),
    "agglomerative-centre": partial(clusters, "centre", "agglomerative"),
    "k-center": lambda rows, count, seed: breadth.k_center(rows, count, np.random.default_rng(seed)),
    "score-variance": score_variance,
}
UNSEEDED_BREADTH = {"agglomerative-centre", "score-variance"}


def embeddings(seed: int, n: int = 60) -> Matrix:
    return np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 7, 60])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", BREADTH)
def test_breadth_takes_exactly_its_count_of_distinct_prompts(kind: str, seed: int, count: int) -> None:
    found = BREADTH[kind](embeddings(seed), count, seed)
    assert len(found) == count
    assert np.all(np.diff(found) > 0)
    assert 0 <= found.min() <= found.max() < 60


@pytest.mark.parametrize("kind", BREADTH)
def test_breadth_respects_its_seed(kind: str) -> None:
    """The same seed, the same prompts; another seed, others, but only where the kind draws at all."""
    rows = embeddings(0)
    draws = [BREADTH[kind](rows, 7, seed).tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1]
    assert (draws[0] == draws[2]) == (kind in UNSEEDED_BREADTH)


@pytest.mark.parametrize("kind", sorted(UNSEEDED_BREADTH))
def test_breadth_does_not_depend_on_the_order_of_prompts(kind: str) -> None:
    rows, order = embeddings(0), np.random.default_rng(1).permutation(60)
    moved = order[BREADTH[kind](rows[order], 7, 0)]
    assert sorted(moved.tolist()) == BREADTH[kind](rows, 7, 0).tolist()


@pytest.mark.parametrize("kind", BREADTH)
def test_breadth_says_what_is_short(kind: str) -> None:
    with pytest.raises(ShortBudget, match=r"61 prompts are asked for, but the pool has only 60\. Lower"):
        BREADTH[kind](embeddings(0), 61, 0)


# --- depth -----------------------------------------------------------------------------------------------

Depth = Callable[[Pool, int, np.random.Generator, int], Ints]


def by_clusters(
    prefer: depth.Preference, pool: Pool, total: int, rng: np.random.Generator, least: int
) -> Ints:
    return depth.by_gradient_clusters(pool.candidates, pool.clusters, prefer, total, rng, least)


def by_shares(prefer: depth.Preference, pool: Pool, total: int, _: np.random.Generator, least: int) -> Ints:
    return depth.by_weight(pool.candidates, depth.share_weights(pool.clusters, prefer), total, least)


def by_softmax(prefer: depth.Preference, pool: Pool, total: int, _: np.random.Generator, least: int) -> Ints:
    weights = depth.softmax_weights(pool.clusters, prefer, temperature=0.1)
    return depth.by_weight(pool.candidates, weights, total, least)


DEPTH: dict[str, Depth] = {
    "uniform": lambda pool, total, rng, least: depth.uniform(pool.candidates, total, rng, least),
    "random": lambda pool, total, rng, least: depth.at_random(pool.candidates, total, rng, least),
    "length": lambda pool, total, _, least: depth.by_length(pool.candidates, pool.lengths, total, least),
    "score-gap": lambda pool, total, _, least: depth.by_score_gap(pool.candidates, total, least),
    "clusters-near": partial(by_clusters, "near"),
    "clusters-far": partial(by_clusters, "far"),
    "clusters-uniform": partial(by_clusters, "uniform"),
    "share-near": partial(by_shares, "near"),
    "share-far": partial(by_shares, "far"),
    "share-uniform": partial(by_shares, "uniform"),
    "softmax-near": partial(by_softmax, "near"),
    "softmax-far": partial(by_softmax, "far"),
    "value": lambda pool, total, _, least: depth.by_value(pool.candidates, pool.values, total, least),
}
RANDOM_DEPTH = {"uniform", "random", "clusters-uniform"}


def totals(pool: Pool, minimum: int) -> list[int]:
    """The least and the most that can be spent, and two budgets between."""
    caps = pool.candidates.per_prompt
    low, high = int(np.minimum(minimum, caps).sum()), int(caps.sum())
    return [low, low + (high - low) // 3, low + 2 * (high - low) // 3, high]


@pytest.mark.parametrize("minimum", [0, 1, 3])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", DEPTH)
def test_depth_spends_exactly_its_budget_within_the_caps(kind: str, seed: int, minimum: int) -> None:
    """Caps include those of prompts without a pair, which must get none."""
    pool = make_pool(seed)
    caps = pool.candidates.per_prompt
    assert caps.min() == 0
    for total in totals(pool, minimum):
        counts = DEPTH[kind](pool, total, np.random.default_rng(seed), minimum)
        assert counts.shape == caps.shape
        assert counts.dtype == np.int64
        assert counts.sum() == total
        assert np.all((np.minimum(minimum, caps) <= counts) & (counts <= caps))


@pytest.mark.parametrize("kind", DEPTH)
def test_depth_respects_its_seed(kind: str) -> None:
    """The same seed, the same counts; another seed, others, but only where the kind draws at all."""
    pool = make_pool(0)
    total = totals(pool, 1)[1] + 1
    draws = [DEPTH[kind](pool, total, np.random.default_rng(seed), 1).tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1]
    assert (draws[0] != draws[2]) == (kind in RANDOM_DEPTH)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", sorted(set(DEPTH) - RANDOM_DEPTH))
def test_depth_does_not_depend_on_the_order_of_prompts(kind: str, seed: int) -> None:
    pool, rng = make_pool(seed), np.random.default_rng(seed)
    order = rng.permutation(pool.candidates.prompt_count)
    moved, _ = reordered(pool, order)
    total = totals(pool, 1)[1]
    before, after = DEPTH[kind](pool, total, rng, 1), DEPTH[kind](moved, total, rng, 1)
    assert after.tolist() == before[order].tolist()


@pytest.mark.parametrize("kind", DEPTH)
def test_depth_says_what_is_short(kind: str) -> None:
    pool, rng = make_pool(0), np.random.default_rng(0)
    least, most = totals(pool, 2)[0], totals(pool, 2)[-1]
    with pytest.raises(ShortBudget, match=f"the 20 prompts have only {most} usable pairs. Lower the budget"):
        DEPTH[kind](pool, most + 1, rng, 2)
    with pytest.raises(ShortBudget, match=f"a minimum of 2 .* takes {least}. Raise the budget"):
        DEPTH[kind](pool, least - 1, rng, 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_depth_and_pairing_by_one_value_are_the_best_of_the_pool(seed: int) -> None:
    """The plain way: sort all pairs by value, take the first ones."""
    pool = make_pool(seed)
    for total in totals(pool, 0):
        counts = depth.by_value(pool.candidates, pool.values, total, minimum=0)
        plain = sorted(range(len(pool.values)), key=lambda pair: -pool.values[pair])[:total]
        assert pairing.by_value(pool.candidates, counts, pool.values).tolist() == sorted(plain)


# --- pairing ---------------------------------------------------------------------------------------------

Pairing = Callable[[Pool, Ints, np.random.Generator], Ints]

PAIRING: dict[str, Pairing] = {
    "best-worst": lambda pool, counts, _: pairing.best_worst(pool.candidates, counts, pool.scores),
    "best-random": lambda pool, counts, rng: pairing.best_random(pool.candidates, counts, pool.scores, rng),
    "largest-gap": lambda pool, counts, _: pairing.largest_gap(pool.candidates, counts),
    "smallest-gap": lambda pool, counts, _: pairing.smallest_gap(pool.candidates, counts),
    "mean-minus-2sd": lambda pool, counts, _: pairing.mean_minus_2sd(
        pool.candidates, counts, pool.scores, pool.prompt_of
    ),
    "value": lambda pool, counts, _: pairing.by_value(pool.candidates, counts, pool.values),
    "uniform": lambda pool, counts, _: pairing.uniform(pool.candidates, counts),
    "nearest": lambda pool, counts, _: pairing.nearest(pool.candidates, counts, pool.clusters),
    "random": lambda pool, counts, rng: pairing.random_pairs(pool.candidates, counts, rng),
}
RANDOM_PAIRING = {"best-random", "random"}


def random_counts(pool: Pool, rng: np.random.Generator) -> Ints:
    return rng.integers(0, pool.candidates.per_prompt + 1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", PAIRING)
def test_pairing_fills_every_count_exactly_with_distinct_pairs(kind: str, seed: int) -> None:
    pool, rng = make_pool(seed), np.random.default_rng(seed)
    for counts in (random_counts(pool, rng), pool.candidates.per_prompt, np.zeros(20, np.int64)):
        found = PAIRING[kind](pool, counts, rng)
        assert found.dtype == np.int64
        assert np.all(np.diff(found) > 0)
        assert np.all((found >= 0) & (found < len(pool.candidates)))
        assert np.bincount(pool.candidates.prompt[found], minlength=20).tolist() == counts.tolist()


@pytest.mark.parametrize("kind", PAIRING)
def test_pairing_respects_its_seed(kind: str) -> None:
    pool = make_pool(0)
    counts = pool.candidates.per_prompt // 2
    draws = [PAIRING[kind](pool, counts, np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1]
    assert (draws[0] != draws[2]) == (kind in RANDOM_PAIRING)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", sorted(set(PAIRING) - RANDOM_PAIRING))
def test_pairing_does_not_depend_on_other_prompts(kind: str, seed: int) -> None:
    """Not on their order, and not on what is asked of them."""
    pool, rng = make_pool(seed), np.random.default_rng(seed)
    counts = random_counts(pool, rng)
    whole = PAIRING[kind](pool, counts, rng)
    order = rng.permutation(20)
    moved, origin = reordered(pool, order)
    assert sorted(origin[PAIRING[kind](moved, counts[order], rng)].tolist()) == whole.tolist()
    alone = np.where(np.arange(20) == 7, counts, 0)
    assert PAIRING[kind](pool, alone, rng).tolist() == whole[pool.candidates.prompt[whole] == 7].tolist()


@pytest.mark.parametrize("kind", PAIRING)
def test_pairing_says_what_is_short(kind: str) -> None:
    pool = make_pool(0)
    counts = pool.candidates.per_prompt.copy()
    counts[3] += 1
    limit = f"{counts[3]} pairs are asked of prompt 3, but it has only {counts[3] - 1} usable ones. Lower its"
    with pytest.raises(ShortBudget, match=limit):
        PAIRING[kind](pool, counts, np.random.default_rng(0))
