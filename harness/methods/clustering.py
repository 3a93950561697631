"""Clusters of rows, by k-means or by merging, and their distances for pairs."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, assert_never

import numpy as np
import numpy.typing as npt
from sklearn.cluster import AgglomerativeClustering, KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from harness.errors import BadInput
from harness.methods.candidates import Floats, Ints

Matrix = npt.NDArray[np.float32]

# Beyond this many rows mini-batches are 4 to 6 times quicker, at half a percent more inertia.
FULL_BATCH_ROWS = 20_000

# Beyond this many pairs k-means finds its centres on a random sample of so many, and all pairs are then
# assigned to them block by block. At 2,048 numbers a pair the sample takes 0.4 GB; 100 clusters get 500 pairs
# each, which leaves each centre an error of 1 / sqrt(500) of the spread around it.
SAMPLE_ROWS = 50_000

BLOCK_ROWS = 2048
"""Rows that exist at one time, beyond the sample."""

# Merging holds a matrix of all distances: 3.2 GB in fp64 at this many rows.
MERGED_ROWS = 20_000

Algorithm = Literal["k-means", "agglomerative"]


class Rows(Protocol):
    """Rows of a matrix that need not exist as a whole; an array is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: Ints, /) -> Matrix: ...


def blocks(rows: Rows) -> Iterator[tuple[Ints, Matrix]]:
    """Yield (positions, rows) of some thousand rows at a time."""
    for start in range(0, len(rows), BLOCK_ROWS):
        at = np.arange(start, min(start + BLOCK_ROWS, len(rows)))
        yield at, rows[at]


@dataclass(frozen=True, eq=False)
class Clusters:
    """`labels` [n], `centres` [count, width], and each row's Euclidean distance to its own centre [n]."""

    labels: Ints
    centres: Matrix
    distances: Floats


@dataclass(frozen=True, eq=False)
class PairClusters:
    """Where each candidate lies among the clusters of pair features.

    `labels` [P] and `distances` [P] to the pair's own centre. A pair without a direction (its feature is
    zero) is in no cluster: label -1, distance infinite, so it never counts as near a centre.
    """

    labels: Ints
    distances: Floats

    @property
    def directionless(self) -> npt.NDArray[np.bool_]:
        """[P] True for the pairs in no cluster."""
        return self.labels < 0


def kmeans(rows: Matrix, count: int, seed: int) -> Clusters:
    """k-means with k-means++ starts; Lloyd's algorithm, or mini-batches for many rows.

    The same rows, count and seed give the same result: it runs on one thread, because sums over threads
    differ in their last bits. With fewer distinct rows than `count` some clusters stay empty.

    Raises:
        BadInput: fewer rows than clusters.
    """
    _check(rows, count)
    kind = KMeans if len(rows) <= FULL_BATCH_ROWS else MiniBatchKMeans
    model = kind(n_clusters=count, n_init=1, random_state=seed)
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # Raised where rows coincide; empty clusters are part of what this function promises.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = model.fit(rows).labels_.astype(np.int64)
    centres: Matrix = model.cluster_centers_.astype(np.float32)
    return Clusters(labels, centres, _own_distances(rows, centres, labels))


def agglomerative(rows: Matrix, count: int) -> Clusters:
    """Merge the two clusters whose union adds least variance (Ward 1963), down to `count`.

    A cluster's centre is the mean of its rows. No seed: the same rows give the same result.

    Raises:
        BadInput: fewer rows than clusters, or more than 20,000 rows.
    """
    _check(rows, count)
    _check_merged(len(rows))
    if count == len(rows):
        labels = np.arange(count)
    else:
        labels = AgglomerativeClustering(n_clusters=count).fit(rows).labels_.astype(np.int64)
    centres = np.zeros((count, rows.shape[1]))
    np.add.at(centres, labels, rows)
    means: Matrix = (centres / np.bincount(labels)[:, None]).astype(np.float32)
    return Clusters(labels, means, _own_distances(rows, means, labels))


def cluster(rows: Matrix, count: int, seed: int, algorithm: Algorithm) -> Clusters:
    """Cluster rows by the algorithm of that name.

    Raises:
        BadInput: as `kmeans` and `agglomerative` do.
    """
    match algorithm:
        case "k-means":
            return kmeans(rows, count, seed)
        case "agglomerative":
            return agglomerative(rows, count)
        case _:
            assert_never(algorithm)


def cluster_pairs(features: Rows, count: int, seed: int, algorithm: Algorithm = "k-means") -> PairClusters:
    """Cluster the pairs that have a direction.

    Never more than SAMPLE_ROWS rows are asked for at once: beyond these, k-means is fitted to a sample.

    Args:
        features: [P, width] rows of unit length, or zero where the pair has no direction.
        count: number of clusters.
        seed: of the sample and of the k-means++ start.
        algorithm: of clustering.

    Raises:
        BadInput: fewer pairs with a direction than clusters, or too many to be merged.
    """
    total = len(features)
    if algorithm == "agglomerative":
        _check_merged(total)
    if total > SAMPLE_ROWS:
        drawn = np.sort(np.random.default_rng(seed).choice(total, SAMPLE_ROWS, replace=False))
        return _assigned(features, kmeans(_directed(features[drawn])[0], count, seed).centres)
    rows, directed = _directed(features[np.arange(total)])
    found = cluster(rows, count, seed, algorithm)
    labels, distances = np.full(total, -1, np.int64), np.full(total, np.inf)
    labels[directed], distances[directed] = found.labels, found.distances
    return PairClusters(labels, distances)


def _directed(rows: Matrix) -> tuple[Matrix, Ints]:
    """The rows that are not zero, and their positions."""
    directed = np.flatnonzero(rows.any(axis=1))
    return (rows if len(directed) == len(rows) else rows[directed]), directed


def _assigned(features: Rows, centres: Matrix) -> PairClusters:
    """Every pair in the cluster of its nearest centre, block by block."""
    labels, distances = np.full(len(features), -1, np.int64), np.full(len(features), np.inf)
    offsets = np.square(centres).sum(axis=1)
    with threadpool_limits(limits=1):
        for block, features_of_block in blocks(features):
            rows, directed = _directed(features_of_block)
            at = block[directed]
            labels[at] = np.argmin(offsets - 2 * (rows @ centres.T), axis=1)
            distances[at] = _own_distances(rows, centres, labels[at])
    return PairClusters(labels, distances)


def _check_merged(rows: int) -> None:
    if rows > MERGED_ROWS:
        raise BadInput(
            f"Agglomerative clustering compares each row with each, so it takes at most {MERGED_ROWS:,}. "
            f"Got {rows:,}. Use k-means."
        )


def _check(rows: Matrix, count: int) -> None:
    if not 1 <= count <= len(rows):
        raise BadInput(
            f"{count} clusters are asked for, but there are {len(rows)} rows to cluster. "
            f"The number of clusters must lie between 1 and {len(rows)}."
        )


def _own_distances(rows: Matrix, centres: Matrix, labels: Ints, block: int = 4096) -> Floats:
    """Euclidean distances to the own centre, in blocks: the differences are as large as the rows."""
    distances = np.empty(len(rows))
    for start in range(0, len(rows), block):
        part = slice(start, start + block)
        distances[part] = np.linalg.norm(rows[part] - centres[labels[part]], axis=1)
    return distances
