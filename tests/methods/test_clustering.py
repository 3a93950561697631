"""k-means, merging, their distances, and pairs without a direction."""

import numpy as np
import numpy.typing as npt
import pytest

from harness.errors import BadInput
from harness.methods import clustering
from harness.methods.clustering import agglomerative, cluster, cluster_pairs, kmeans


def blobs(per_blob: int, count: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """`count` tight groups, far apart, one after the other."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(10.0 * np.eye(count), per_blob, axis=0)
    return (centres + rng.normal(0, 0.1, centres.shape)).astype(np.float32)


@pytest.mark.parametrize("full_batch_rows", [20_000, 10])
def test_finds_groups_and_distances(full_batch_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both algorithms: one label for each group; distances as by a plain loop."""
    monkeypatch.setattr(clustering, "FULL_BATCH_ROWS", full_batch_rows)
    rows = blobs(20, 4)
    found = kmeans(rows, 4, seed=0)
    assert len({tuple(set(part)) for part in found.labels.reshape(4, 20).tolist()}) == 4
    assert np.all(found.labels.reshape(4, 20) == found.labels.reshape(4, 20)[:, :1])
    plain = [
        np.linalg.norm(row - found.centres[label]) for row, label in zip(rows, found.labels, strict=True)
    ]
    np.testing.assert_allclose(found.distances, plain, rtol=1e-5)


def test_distances_do_not_depend_on_blocks() -> None:
    rows = blobs(20, 4)
    found = kmeans(rows, 4, seed=0)
    np.testing.assert_array_equal(
        clustering._own_distances(rows, found.centres, found.labels, block=7), found.distances
    )


def test_the_seed_decides() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    first, again, other = kmeans(rows, 10, 1), kmeans(rows, 10, 1), kmeans(rows, 10, 2)
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.distances, again.distances)
    assert first.labels.tolist() != other.labels.tolist()


def test_rows_that_coincide_leave_clusters_empty() -> None:
    """Two distinct rows cannot fill three clusters; no warning, and no distance."""
    found = kmeans(np.repeat(np.eye(2, dtype=np.float32), 3, axis=0), 3, seed=0)
    assert len(set(found.labels.tolist())) == 2
    np.testing.assert_allclose(found.distances, 0.0, atol=1e-6)


@pytest.mark.parametrize("count", [0, 7])
def test_an_impossible_number_of_clusters_is_refused(count: int) -> None:
    with pytest.raises(BadInput, match=f"{count} clusters are asked for, but there are 6 rows"):
        kmeans(blobs(3, 2), count, seed=0)


@pytest.mark.parametrize("count", [1, 4, 80])
def test_merging_finds_groups_means_and_distances(count: int) -> None:
    """4 groups of 20 into 1, 4 and 80: as plain loops over the labels say; 4 are the groups themselves."""
    rows = blobs(20, 4)
    found = agglomerative(rows, count)
    assert sorted(set(found.labels.tolist())) == list(range(count))
    for label in range(count):
        members = rows[found.labels == label]
        np.testing.assert_allclose(found.centres[label], members.mean(axis=0), rtol=1e-4, atol=1e-5)
        plain = np.linalg.norm(members - members.mean(axis=0), axis=1)
        np.testing.assert_allclose(found.distances[found.labels == label], plain, rtol=1e-3, atol=1e-4)
    if count == 4:
        assert np.all(found.labels.reshape(4, 20) == found.labels.reshape(4, 20)[:, :1])


def test_merging_is_refused_where_it_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "MERGED_ROWS", 10)
    with pytest.raises(BadInput, match=r"at most 10\. Got 40\. Use k-means\."):
        cluster(blobs(20, 2), 2, 0, "agglomerative")
    with pytest.raises(BadInput, match="7 clusters are asked for, but there are 6 rows"):
        agglomerative(blobs(3, 2), 7)


def test_pairs_without_a_direction_are_in_no_cluster() -> None:
    """Rows 0 and 4 are zero; the others must be clustered as if those were not there."""
    rows = blobs(5, 2)
    features = np.insert(rows, [0, 3], 0.0, axis=0)
    found, alone = cluster_pairs(features, 2, seed=3), kmeans(rows, 2, seed=3)
    assert np.flatnonzero(found.directionless).tolist() == [0, 4]
    assert np.all(np.isinf(found.distances[[0, 4]]))
    np.testing.assert_array_equal(found.labels[~found.directionless], alone.labels)
    np.testing.assert_array_equal(found.distances[~found.directionless], alone.distances)


class CountedRows:
    """Rows that remember the most that were asked for at once."""

    def __init__(self, rows: npt.NDArray[np.float32]) -> None:
        self.rows, self.most = rows, 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        self.most = max(self.most, len(at))
        return self.rows[at]


def test_many_pairs_are_clustered_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 pairs in 4 groups, centres from 20 of them: the groups that all pairs give, zero rows in none.

    Every label and distance is that of the nearest centre of k-means on the sample; and no more than 20 rows
    ever exist at once.
    """
    monkeypatch.setattr(clustering, "SAMPLE_ROWS", 20)
    monkeypatch.setattr(clustering, "BLOCK_ROWS", 7)
    rows = blobs(25, 4)
    rows[[3, 50, 51]] = 0.0
    counted = CountedRows(rows)
    found, again = cluster_pairs(counted, 4, seed=3), cluster_pairs(rows, 4, seed=3)
    assert counted.most == 20
    assert np.flatnonzero(found.directionless).tolist() == [3, 50, 51]
    for part, left in zip(found.labels.reshape(4, 25), rows.any(axis=1).reshape(4, 25), strict=True):
        assert len(set(part[left].tolist())) == 1
    np.testing.assert_array_equal(found.labels, again.labels)
    np.testing.assert_array_equal(found.distances, again.distances)
    sample = np.sort(np.random.default_rng(3).choice(100, 20, replace=False))
    centres = kmeans(rows[sample][rows[sample].any(axis=1)], 4, seed=3).centres
    apart = np.linalg.norm(rows[:, None] - centres, axis=2)
    directed = ~found.directionless
    np.testing.assert_array_equal(found.labels[directed], apart.argmin(axis=1)[directed])
    np.testing.assert_allclose(found.distances[directed], apart.min(axis=1)[directed], rtol=1e-5)
    assert np.all(np.isinf(found.distances[~directed]))


def test_the_sample_finds_clusters_as_good_as_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Overlapping groups on the unit sphere: the mean squared distance grows by 2 % at most."""
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(30, 16))[rng.integers(30, size=6000)] + rng.normal(size=(6000, 16))).astype(
        np.float32
    )
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    whole = cluster_pairs(rows, 10, seed=0)
    monkeypatch.setattr(clustering, "SAMPLE_ROWS", 5000)
    sampled = cluster_pairs(rows, 10, seed=0)
    assert np.mean(sampled.distances**2) <= 1.02 * np.mean(whole.distances**2)
    assert not np.array_equal(sampled.distances, whole.distances)
