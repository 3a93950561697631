"""Which prompts: representatives of clusters, far ones, varied ones, and random ones."""

import itertools

import numpy as np
import pytest

from harness.methods.breadth import (
    Pick,
    cluster_representatives,
    every,
    highest,
    k_center,
    preference_variance,
    random_prompts,
)
from harness.methods.candidates import Ints
from harness.methods.clustering import Clusters, Matrix, kmeans


def groups(seed: int = 0) -> Matrix:
    """Five tight groups of 12, far apart."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(10.0 * np.eye(5), 12, axis=0)
    return (centres + rng.normal(0, 0.1, centres.shape)).astype(np.float32)


def representatives(rows: Matrix, count: int, pick: Pick = "centre") -> Ints:
    return cluster_representatives(kmeans(rows, count, 0), count, pick, np.random.default_rng(0))


def test_every() -> None:
    assert every(3).tolist() == [0, 1, 2]


def test_representatives_are_medoids() -> None:
    """The row with the least sum of squared distances to the others of its cluster, by trying all."""
    rows = groups()
    labels = kmeans(rows, 5, seed=0).labels
    plain = []
    for label in range(5):
        members = np.flatnonzero(labels == label)
        squares = ((rows[members, None] - rows[None, members]) ** 2).sum(axis=(1, 2))
        plain.append(int(members[squares.argmin()]))
    assert representatives(rows, 5).tolist() == sorted(plain)


def test_the_order_of_prompts_does_not_matter_for_clear_groups() -> None:
    rows = groups()
    order = np.random.default_rng(1).permutation(len(rows))
    shuffled = representatives(rows[order], 5)
    assert sorted(order[shuffled].tolist()) == representatives(rows, 5).tolist()


def test_empty_clusters_are_made_up_for() -> None:
    """Three distinct rows, five prompts asked: all three are among them, and all five are distinct."""
    rows = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    found = representatives(rows, 5)
    assert len(set(found.tolist())) == 5
    assert set((found // 4).tolist()) == {0, 1, 2}


def test_random_prompts_are_equally_likely() -> None:
    """3 of 10, drawn 3000 times: each prompt is expected 900 times with s.d. sqrt(3000 x .3 x .7) = 25."""
    rng = np.random.default_rng(0)
    times = np.bincount(np.concatenate([random_prompts(10, 3, rng) for _ in range(3000)]))
    assert np.all(np.abs(times - 900) < 4 * 25)


@pytest.mark.parametrize(
    ("pick", "quota"), [("centre", [3, 3]), ("random", [3, 3]), ("proportional", [4, 2])]
)
def test_each_pick_takes_its_quota_of_each_cluster(pick: Pick, quota: list[int]) -> None:
    """Clusters of 8 and 4 prompts share 6: equally, or as 4 and 2. Nearest first, except at random."""
    distances = np.array([0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.4, 0.3, 0.2, 0.1])
    found = Clusters(np.repeat([3, 5], [8, 4]), np.zeros((6, 1), np.float32), distances)
    taken = cluster_representatives(found, 6, pick, np.random.default_rng(0))
    assert [np.count_nonzero(taken < 8), np.count_nonzero(taken >= 8)] == quota
    nearest = [*range(8 - quota[0], 8), *range(12 - quota[1], 12)]
    assert (taken.tolist() == nearest) == (pick != "random")


def test_random_picks_are_equally_likely() -> None:
    """One of each of 2 clusters of 5, 2000 times: each 400 times with s.d. sqrt(2000 x .2 x .8) = 18."""
    found, draws = (
        Clusters(np.repeat([0, 1], 5), np.zeros((2, 1), np.float32), np.arange(10.0)),
        np.random.default_rng(0),
    )
    times = np.bincount(
        np.concatenate([cluster_representatives(found, 2, "random", draws) for _ in range(2000)])
    )
    assert np.all(np.abs(times - 400) < 4 * 18)


def test_k_center_on_a_line() -> None:
    """0, 1, 2 and 10. From 0: 10, then 2. From 2: 10, then 0. From 10: 0, then 2. From 1: 10, then 0 (as far
    as 2, but before it).
    """
    rows = np.array([[0], [1], [2], [10]], np.float32)
    found = {tuple(k_center(rows, 3, np.random.default_rng(seed)).tolist()) for seed in range(20)}
    assert found == {(0, 2, 3), (0, 1, 3)}


def test_k_center_is_within_twice_the_best() -> None:
    """Against all 3-subsets of 10 prompts: Gonzalez' bound on the largest distance to a taken one."""

    def radius(rows: Matrix, taken: Ints) -> float:
        return float(np.linalg.norm(rows[:, None] - rows[taken][None], axis=2).min(axis=1).max())

    for seed in range(10):
        rows = np.random.default_rng(seed).normal(size=(10, 2)).astype(np.float32)
        best = min(radius(rows, np.array(taken)) for taken in itertools.combinations(range(10), 3))
        assert radius(rows, k_center(rows, 3, np.random.default_rng(seed))) <= 2 * best


def test_k_center_takes_prompts_that_coincide_once_each() -> None:
    rows = np.ones((4, 2), np.float32)
    assert k_center(rows, 4, np.random.default_rng(0)).tolist() == [0, 1, 2, 3]


def test_preference_variance_by_hand() -> None:
    """Scores 0 and ln 3: p = 3/4 and 1/4, so (1/4)^2 = 1/16. Scores 0, 0, ln 3: so 4 of 6 ordered pairs."""
    scores = np.array([0, 5, np.log(3), 0, np.log(3), 0])
    found = preference_variance(np.array([0, 1, 0, 2, 2, 2]), scores, 4)
    np.testing.assert_allclose(found, [1 / 16, 0, 4 / 6 / 16, 0])


def test_preference_variance_is_that_of_the_preference() -> None:
    """The variance by numpy variance over all ordered pairs of different responses."""
    scores = np.random.default_rng(0).normal(size=6)
    preferences = [1 / (1 + np.exp(b - a)) for a, b in itertools.permutations(scores, 2)]
    np.testing.assert_allclose(preference_variance(np.zeros(6, np.int64), scores, 1), [np.var(preferences)])


def test_highest_goes_by_position_where_values_are_equal() -> None:
    assert highest(np.array([1.0, 2.0, 1.0, 3.0]), 3).tolist() == [0, 1, 3]
