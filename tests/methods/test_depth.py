"""How many pairs each prompt gets, by hand and against plain loops."""

import numpy as np
import pytest

from harness.errors import BadInput
from harness.methods import depth, pairing
from harness.methods.candidates import Candidates
from harness.methods.clustering import PairClusters

PREFERENCES: tuple[depth.Preference, ...] = ("near", "far")


def candidates(sizes: list[int], gaps: list[float] | None = None) -> Candidates:
    """Prompt i has sizes[i] candidates; response 2 j is chosen over 2 j + 1 in candidate j."""
    prompt = np.repeat(np.arange(len(sizes)), sizes)
    chosen = 2 * np.arange(len(prompt))
    gap = np.array(gaps) if gaps else np.ones(len(prompt))
    return Candidates(prompt, chosen, chosen + 1, gap, len(sizes))


def clusters(labels: list[int], distances: list[float]) -> PairClusters:
    return PairClusters(np.array(labels), np.array(distances))


def test_uniform_shares_by_hand() -> None:
    """11 pairs, caps 1, 5, 5, 0: the first gets 1, the fourth none, the others 5 each."""
    counts = depth.uniform(candidates([1, 5, 5, 0]), 11, np.random.default_rng(0))
    assert counts.tolist() == [1, 5, 5, 0]


def test_uniform_draws_who_gets_the_odd_pair() -> None:
    """1 pair more than 2 for each of 3 prompts: over seeds each prompt gets it, about equally often."""
    pool = candidates([9, 9, 9])
    odd = [int(depth.uniform(pool, 7, np.random.default_rng(seed)).argmax()) for seed in range(300)]
    assert np.all(np.abs(np.bincount(odd, minlength=3) - 100) < 4 * np.sqrt(300 * 2 / 9))


def test_at_random_follows_what_is_left() -> None:
    """After the minimum, 4 pairs are drawn from the 8 + 2 left: 4 x .8 = 3.2 expected for the first."""
    pool, rng = candidates([9, 3]), np.random.default_rng(0)
    first = [depth.at_random(pool, 6, rng)[0] for _ in range(2000)]
    assert np.mean(first) == pytest.approx(1 + 3.2, abs=0.06)


def test_by_length_by_hand() -> None:
    """Mean lengths 10 and 30 share 4 pairs as 1 and 3. Sums (60 and 90) would give 2 and 2."""
    lengths = np.array([5, 15, 10, 10] * 3 + [30, 30, 20, 40, 25, 35])
    assert depth.by_length(candidates([6, 3]), lengths, 4).tolist() == [1, 3]


def test_by_score_gap_by_hand() -> None:
    """Mean gaps (1 + 3 + 2 + 2) / 4 = 2 and 4 share 3 pairs as 1 and 2. Sums (8 and 8) would give 2 and 1."""
    assert depth.by_score_gap(candidates([4, 2], [1, 3, 2, 2, 4, 4]), 3).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("prefer", "expected"), [("near", [3, 1, 1]), ("far", [1, 2, 2])], ids=["near", "far"]
)
def test_gradient_clusters_by_hand(prefer: depth.Preference, expected: list[int]) -> None:
    """Distances: prompt 0 has .1 .2 .3, prompt 1 has .9 .4, prompt 2 has .8 .5; 5 pairs.

    near: the minimum takes .1, .4, .5; of .2 .3 .8 .9 the two nearest are .2 and .3, both of prompt 0.
    far: the minimum takes .3, .9, .8; of .1 .2 .4 .5 the two farthest are .5 and .4.
    """
    pool = candidates([3, 2, 2])
    found = clusters([0, 1, 0, 1, 0, 1, 0], [0.1, 0.2, 0.3, 0.9, 0.4, 0.8, 0.5])
    counts = depth.by_gradient_clusters(pool, found, prefer, 5, np.random.default_rng(0))
    assert counts.tolist() == expected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("minimum", [0, 1, 2])
def test_near_equals_the_plain_way(seed: int, minimum: int) -> None:
    """Near depth filled by nearest pairing is: each prompt's nearest, then the nearest of all the rest."""
    rng = np.random.default_rng(seed)
    pool = candidates(rng.integers(0, 8, 12).tolist())
    distances = rng.random(len(pool)).tolist()
    found = clusters([0] * len(pool), distances)
    total = int(rng.integers(np.minimum(minimum, pool.per_prompt).sum(), len(pool) + 1))
    nearest_first = sorted(range(len(pool)), key=distances.__getitem__)
    plain: list[int] = []
    for prompt in range(pool.prompt_count):
        plain += [at for at in nearest_first if pool.prompt[at] == prompt][:minimum]
    plain += [at for at in nearest_first if at not in plain][: total - len(plain)]
    counts = depth.by_gradient_clusters(pool, found, "near", total, rng, minimum)
    assert pairing.nearest(pool, counts, found).tolist() == sorted(plain)


@pytest.mark.parametrize("prefer", ["near", "far", "uniform"])
def test_pairs_without_direction_come_last(prefer: depth.Preference) -> None:
    """Prompt 1 has only such pairs: it gets its minimum and no more while prompt 0 has others."""
    pool = candidates([4, 4])
    found = clusters([0, 0, 0, 0, -1, -1, -1, -1], [0.1, 0.2, 0.3, 0.4] + [np.inf] * 4)
    rng = np.random.default_rng(0)
    assert depth.by_gradient_clusters(pool, found, prefer, 5, rng).tolist() == [4, 1]
    assert depth.by_gradient_clusters(pool, found, prefer, 7, rng).tolist() == [4, 3]


@pytest.mark.parametrize("seed", range(5))
def test_uniform_over_clusters_is_equal_for_each(seed: int) -> None:
    """Each prompt is one cluster here, so its count is the cluster's total: 4, 4 and the cap of 2.

    With a minimum of 3 the prompts and the clusters differ: prompt 0 (cluster 0) has 6 pairs, prompts 1 and 2
    share cluster 1 and must take 3 each; so of 12 pairs cluster 0 gets what is left, 6.
    """
    rng = np.random.default_rng(seed)
    pool = candidates([6, 8, 2])
    found = clusters([0] * 6 + [1] * 8 + [2] * 2, [0.5] * 16)
    assert depth.by_gradient_clusters(pool, found, "uniform", 10, rng).tolist() == [4, 4, 2]
    shared = clusters([0] * 6 + [1] * 12, [0.5] * 18)
    counts = depth.by_gradient_clusters(candidates([6, 6, 6]), shared, "uniform", 12, rng, minimum=3)
    assert counts.tolist() == [6, 3, 3]


def test_by_value_by_hand() -> None:
    """Values of prompt 0: 5 4 3, prompt 1: 2 1, prompt 2: none. With a minimum of 1 the prompts take 5, 2 and
    the first of those without; 4 is the next. Without a minimum: 5 4 3 2.
    """
    pool = candidates([3, 2, 2])
    values = np.array([5, 4, 3, 2, 1, -np.inf, -np.inf])
    assert depth.by_value(pool, values, 4, minimum=1).tolist() == [2, 1, 1]
    assert depth.by_value(pool, values, 4, minimum=0).tolist() == [3, 1, 0]


def test_by_value_refuses_what_is_no_number() -> None:
    with pytest.raises(BadInput, match=r"A pair of prompt 1 has no value \(nan\)"):
        depth.by_value(candidates([1, 2]), np.array([1, 2, np.nan]), 2)


def test_by_weight_by_hand() -> None:
    """Weights sum to 3 and 1: of 4 pairs 3 and 1. What weighs nothing comes last, but is reached."""
    pool, weights = candidates([4, 4, 2]), np.array([1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0, 0])
    assert depth.by_weight(pool, weights, 4, minimum=0).tolist() == [3, 1, 0]
    assert depth.by_weight(pool, weights, 9, minimum=0).tolist() == [4, 4, 1]


def test_share_weights_by_hand() -> None:
    """Cluster 0 has distances .3 .1 .2 .4: shares 1/2, 1, 3/4, 1/4 near and 3/4, 1/4, 1/2, 1 far. Cluster 1
    is one pair: 1. The last has no direction: 0.
    """
    found = clusters([0, 0, 0, 0, 1, -1], [0.3, 0.1, 0.2, 0.4, 9, np.inf])
    assert depth.share_weights(found, "near").tolist() == [0.5, 1, 0.75, 0.25, 1, 0]
    assert depth.share_weights(found, "far").tolist() == [0.75, 0.25, 0.5, 1, 1, 0]
    assert depth.share_weights(found, "uniform").tolist() == [0.25, 0.25, 0.25, 0.25, 1, 0]


def test_softmax_weights_by_hand() -> None:
    """Distances 1 and 2 at temperature 0.5: weights in the ratio e^2 : 1, the other way round for far."""
    found = clusters([0, 1, -1], [1, 2, np.inf])
    near, far = (depth.softmax_weights(found, prefer, 0.5) for prefer in PREFERENCES)
    np.testing.assert_allclose(near, [1, np.exp(-2), 0])
    np.testing.assert_allclose(far, [np.exp(-2), 1, 0])
    assert depth.softmax_weights(found, "uniform", 0.5).tolist() == [1, 1, 0]


def test_softmax_weights_stay_finite_at_a_low_temperature() -> None:
    found = clusters([0, 0, -1], [0.5, 0.9, np.inf])
    assert depth.softmax_weights(found, "near", 1e-6).tolist() == [1, 0, 0]
    assert depth.softmax_weights(found, "far", 1e-6).tolist() == [0, 1, 0]
