"""Seeded k-means, and its distances for pairs."""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from harness.errors import BadInput
from harness.methods.candidates import Floats, Ints

Matrix = npt.NDArray[np.float32]

# Beyond this many rows mini-batches are 4 to 6 times quicker, at half a percent more inertia.
FULL_BATCH_ROWS = 20_000


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
    if not 1 <= count <= len(rows):
        raise BadInput(
            f"{count} clusters are asked for, but there are {len(rows)} rows to cluster. "
            f"The number of clusters must lie between 1 and {len(rows)}."
        )
    kind = KMeans if len(rows) <= FULL_BATCH_ROWS else MiniBatchKMeans
    model = kind(n_clusters=count, n_init=1, random_state=seed)
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # Raised where rows coincide; empty clusters are part of what this function promises.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = model.fit(rows).labels_.astype(np.int64)
    centres: Matrix = model.cluster_centers_.astype(np.float32)
    return Clusters(labels, centres, _own_distances(rows, centres, labels))


def cluster_pairs(features: Matrix, count: int, seed: int) -> PairClusters:
    """Cluster the pairs that have a direction.

    Args:
        features: [P, width] rows of unit length, or zero where the pair has no direction.
        count: number of clusters.
        seed: of the k-means++ start.

    Raises:
        BadInput: fewer pairs with a direction than clusters.
    """
    directed = np.flatnonzero(features.any(axis=1))
    found = kmeans(features[directed], count, seed)
    labels = np.full(len(features), -1, np.int64)
    distances = np.full(len(features), np.inf)
    labels[directed], distances[directed] = found.labels, found.distances
    return PairClusters(labels, distances)


def _own_distances(rows: Matrix, centres: Matrix, labels: Ints, block: int = 4096) -> Floats:
    """Euclidean distances to the own centre, in blocks: the differences are as large as the rows."""
    distances = np.empty(len(rows))
    for start in range(0, len(rows), block):
        part = slice(start, start + block)
        distances[part] = np.linalg.norm(rows[part] - centres[labels[part]], axis=1)
    return distances
