"""Breadth: which distinct prompts a method trains on.

Every kind returns sorted positions of prompts.
"""

from typing import Literal

import numpy as np

from harness.errors import ShortBudget
from harness.methods.apportion import apportion
from harness.methods.candidates import Floats, Ints, rank_within
from harness.methods.clustering import Clusters, Matrix

Pick = Literal["centre", "random", "proportional"]


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


def cluster_representatives(found: Clusters, count: int, pick: Pick, rng: np.random.Generator) -> Ints:
    """`count` prompts spread over the clusters of prompt embeddings.

    - centre: as many from each cluster as sizes allow, those nearest to its centre: for one cluster each
      prompt, the medoids under squared Euclidean distance;
    - random: as many from each cluster as sizes allow, drawn at random;
    - proportional: from each cluster in proportion to its size, those nearest to its centre.

    Args:
        found: the clusters of the prompts' embeddings.
        count: number of prompts.
        pick: centre, random or proportional.
        rng: used by `random` only.

    Raises:
        ShortBudget: `count` is above the number of prompts.
    """
    _check(len(found.labels), count)
    _, labels = np.unique(found.labels, return_inverse=True)
    sizes = np.bincount(labels).astype(np.int64)
    weights = sizes.astype(np.float64) if pick == "proportional" else np.ones(len(sizes))
    quota = apportion(weights, count, sizes)
    key = rng.random(len(labels)) if pick == "random" else found.distances
    return np.flatnonzero(rank_within(labels, key) < quota[labels]).astype(np.int64)


def k_center(embeddings: Matrix, count: int, rng: np.random.Generator) -> Ints:
    """`count` prompts that leave no other far away: greedy farthest point.

    From a random start, the prompt farthest from all those taken is taken next; the largest distance of any
    prompt to its nearest taken one is then at most twice the least possible (arXiv 1708.00489, section 4.2;
    Gonzalez 1985).

    Args:
        embeddings: [n, width].
        count: number of prompts.
        rng: draws the start.

    Raises:
        ShortBudget: `count` is above the number of prompts.
    """
    _check(len(embeddings), count)
    taken = np.empty(count, np.int64)
    distances = np.full(len(embeddings), np.inf)
    farthest = int(rng.integers(len(embeddings)))
    for place in range(count):
        taken[place] = farthest
        distances = np.minimum(distances, np.linalg.norm(embeddings - embeddings[farthest], axis=1))
        # Prompts that coincide are at distance 0 like those taken; these must not be taken twice.
        distances[farthest] = -np.inf
        farthest = int(distances.argmax())
    return np.sort(taken)


def preference_variance(prompt_of: Ints, scores: Floats, count: int) -> Floats:
    """[count] The variance of the preference between two of a prompt's responses (PVar, arXiv 2510.13022).

    With p_ij = sigmoid(score_i - score_j), the mean over i != j of (p_ij - 1/2)^2: the mean of p_ij is 1/2 by
    symmetry. A prompt with a single response has 0.

    Args:
        prompt_of: [n] the position of each response's prompt.
        scores: [n] of the responses.
        count: number of prompts.
    """
    found = np.zeros(count)
    order = np.argsort(prompt_of, kind="stable")
    ends = np.cumsum(np.bincount(prompt_of, minlength=count))
    for prompt, own in enumerate(np.split(scores[order], ends[:-1])):
        differences = np.abs(own[:, None] - own[None, :])
        # sigmoid(d) - 1/2 = tanh(d / 2) / 2; the diagonal adds nothing.
        squares = (np.tanh(differences / 2) / 2) ** 2
        found[prompt] = squares.sum() / max(len(own) * (len(own) - 1), 1)
    return found


def highest(values: Floats, count: int) -> Ints:
    """The `count` prompts of the highest values; equal ones go by position.

    Raises:
        ShortBudget: `count` is above the number of prompts.
    """
    _check(len(values), count)
    return np.sort(np.argsort(-values, kind="stable")[:count]).astype(np.int64)


def _check(available: int, count: int) -> None:
    if count > available:
        raise ShortBudget(
            f"{count} prompts are asked for, but the pool has only {available}. "
            "Lower the number of prompts, or enlarge the pool."
        )
