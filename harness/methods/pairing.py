"""Pairing: which of a prompt's candidates fill its count.

Every kind returns sorted positions of candidates, distinct, exactly counts[i] of prompt i, and raises
ShortBudget where a prompt has fewer. The control "longest" (the longer response is the chosen one, whatever
its score) is `random_pairs` on candidates that `make_candidates` built with lengths in place of scores.
"""

import numpy as np

from harness.errors import ShortBudget
from harness.methods.candidates import Candidates, Floats, Ints, rank_within
from harness.methods.clustering import PairClusters


def best_worst(candidates: Candidates, counts: Ints) -> Ints:
    """The widest score gaps of each prompt: best against worst, then the next widest."""
    return _lowest(candidates, counts, -candidates.gap)


def nearest(candidates: Candidates, counts: Ints, clusters: PairClusters) -> Ints:
    """The pairs of each prompt that lie nearest to their own cluster's centre."""
    return _lowest(candidates, counts, clusters.distances)


def random_pairs(candidates: Candidates, counts: Ints, rng: np.random.Generator) -> Ints:
    """Pairs drawn without replacement among each prompt's candidates."""
    return _lowest(candidates, counts, rng.random(len(candidates)))


def uniform(candidates: Candidates, counts: Ints) -> Ints:
    """Pairs evenly spaced over the prompt's ranking by score gap.

    The ranking of m candidates is cut into c equal parts, and the middle of each is taken:
    rank floor((2 j + 1) m / (2 c)) for j = 0 .. c - 1, where rank 0 is the widest gap.
    """
    _check(candidates, counts)
    sizes = candidates.per_prompt
    prompt = np.repeat(np.arange(len(counts)), counts)
    slot = np.arange(len(prompt)) - np.repeat(np.cumsum(counts) - counts, counts)
    rank = (2 * slot + 1) * sizes[prompt] // (2 * counts[prompt])
    widest_first = np.lexsort((-candidates.gap, candidates.prompt))
    starts = np.cumsum(sizes) - sizes
    return np.sort(widest_first[starts[prompt] + rank]).astype(np.int64)


def _lowest(candidates: Candidates, counts: Ints, key: Floats) -> Ints:
    """The counts[i] candidates of prompt i with the lowest keys; ties go by position."""
    _check(candidates, counts)
    chosen = rank_within(candidates.prompt, key) < counts[candidates.prompt]
    return np.flatnonzero(chosen).astype(np.int64)


def _check(candidates: Candidates, counts: Ints) -> None:
    if len(counts) != candidates.prompt_count:
        raise ValueError(f"{len(counts)} counts were given for {candidates.prompt_count} prompts")
    short = np.flatnonzero(counts > candidates.per_prompt)
    if len(short):
        at = short[0]
        raise ShortBudget(
            f"{counts[at]} pairs are asked of prompt {at}, but it has only {candidates.per_prompt[at]} "
            "usable ones. Lower its depth, or draw more responses to each prompt."
        )
