"""Breadth: which distinct prompts a method trains on.

Every kind returns sorted positions of prompts.
"""

import numpy as np

from harness.errors import ShortBudget
from harness.methods.candidates import Ints
from harness.methods.clustering import Matrix, kmeans


def every(n: int) -> Ints:
    """All `n` prompts."""
    return np.arange(n, dtype=np.int64)


def random_prompts(n: int, count: int, rng: np.random.Generator) -> Ints:
    """`count` of `n` prompts, drawn without replacement.

    Raises:
        ShortBudget: `count` is above `n`.
    """
    _check(n, count)
    return np.sort(rng.choice(n, size=count, replace=False)).astype(np.int64)


def cluster_representatives(embeddings: Matrix, count: int, seed: int) -> Ints:
    """One representative of each of `count` clusters of prompt embeddings.

    A cluster's representative is the prompt nearest to its centre: the medoid under squared Euclidean
    distance. Where embeddings coincide and clusters stay empty, the first of the others fill the count.

    Args:
        embeddings: [n, width].
        count: number of clusters, and of prompts returned.
        seed: of the clustering.

    Raises:
        ShortBudget: `count` is above the number of prompts.
    """
    _check(len(embeddings), count)
    found = kmeans(embeddings, count, seed)
    nearest_first = np.lexsort((found.distances, found.labels))
    _, heads = np.unique(found.labels[nearest_first], return_index=True)
    medoids = nearest_first[heads]
    others = np.setdiff1d(np.arange(len(embeddings)), medoids)
    return np.sort(np.concatenate((medoids, others[: count - len(medoids)]))).astype(np.int64)


def _check(available: int, count: int) -> None:
    if count > available:
        raise ShortBudget(
            f"{count} prompts are asked for, but the pool has only {available}. "
            "Lower the number of prompts, or enlarge the pool."
        )
