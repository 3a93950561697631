"""Which prompts: representatives of clusters, and random ones."""

import numpy as np

from harness.methods.breadth import cluster_representatives, every, random_prompts
from harness.methods.clustering import Matrix, kmeans


def groups(seed: int = 0) -> Matrix:
    """Five tight groups of 12, far apart."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(10.0 * np.eye(5), 12, axis=0)
    return (centres + rng.normal(0, 0.1, centres.shape)).astype(np.float32)


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
    assert cluster_representatives(rows, 5, seed=0).tolist() == sorted(plain)


def test_the_order_of_prompts_does_not_matter_for_clear_groups() -> None:
    rows = groups()
    order = np.random.default_rng(1).permutation(len(rows))
    shuffled = cluster_representatives(rows[order], 5, seed=0)
    assert sorted(order[shuffled].tolist()) == cluster_representatives(rows, 5, seed=0).tolist()


def test_empty_clusters_are_made_up_for() -> None:
    """Three distinct rows, five prompts asked: all three are among them, and all five are distinct."""
    rows = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    found = cluster_representatives(rows, 5, seed=0)
    assert len(set(found.tolist())) == 5
    assert set((found // 4).tolist()) == {0, 1, 2}


def test_random_prompts_are_equally_likely() -> None:
    """3 of 10, drawn 3000 times: each prompt is expected 900 times with s.d. sqrt(3000 x .3 x .7) = 25."""
    rng = np.random.default_rng(0)
    times = np.bincount(np.concatenate([random_prompts(10, 3, rng) for _ in range(3000)]))
    assert np.all(np.abs(times - 900) < 4 * 25)
