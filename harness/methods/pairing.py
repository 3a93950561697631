"""Pairing: which of a prompt's candidates fill its count.

Every kind returns sorted positions of candidates, distinct, exactly counts[i] of prompt i, and raises
ShortBudget where a prompt has fewer. The control "longest" (the longer response is the chosen one, whatever
its score) is `random_pairs` on candidates that `make_candidates` built with lengths in place of scores.
"""

import numpy as np
import numpy.typing as npt

from harness.errors import ShortBudget
from harness.methods.candidates import Candidates, Floats, Ints, rank_within
from harness.methods.clustering import PairClusters


def best_worst(candidates: Candidates, counts: Ints, scores: Floats) -> Ints:
    """Best against worst, second best against second worst, and so on inwards; then the widest gaps.

    No response is used twice before the middle is reached.

    Args:
        candidates: the usable pairs.
        counts: pairs of each prompt.
        scores: [n] of the responses.
    """
    rank, last = _ranks(candidates, scores)
    mirrored = rank[candidates.chosen] + rank[candidates.rejected] == last[candidates.prompt]
    level = np.where(mirrored, rank[candidates.chosen], len(scores))
    return _lowest(candidates, counts, _place(level, -candidates.gap))


def best_random(candidates: Candidates, counts: Ints, scores: Floats, rng: np.random.Generator) -> Ints:
    """The best response against others drawn at random; then the second best, and so on.

    Args:
        candidates: the usable pairs.
        counts: pairs of each prompt.
        scores: [n] of the responses.
        rng: draws the rejected responses.
    """
    return _lowest(candidates, counts, _place(-scores[candidates.chosen], rng.random(len(candidates))))


def mean_minus_2sd(candidates: Candidates, counts: Ints, scores: Floats, prompt_of: Ints) -> Ints:
    """The best response against those whose score is nearest to mean - 2 s.d. (arXiv 2502.16825).

    Mean and standard deviation (with n in the denominator) are those of all responses to the prompt. With
    more pairs than the best response has, the second best follows, and so on.

    Args:
        candidates: the usable pairs.
        counts: pairs of each prompt.
        scores: [n] of the responses.
        prompt_of: [n] positions of their prompts.
    """
    sizes = np.maximum(np.bincount(prompt_of, minlength=candidates.prompt_count), 1)
    mean = np.bincount(prompt_of, weights=scores, minlength=len(sizes)) / sizes
    variance = np.bincount(prompt_of, weights=(scores - mean[prompt_of]) ** 2, minlength=len(sizes)) / sizes
    aim = (mean - 2 * np.sqrt(variance))[candidates.prompt]
    away = np.abs(scores[candidates.rejected] - aim)
    return _lowest(candidates, counts, _place(-scores[candidates.chosen], away))


def largest_gap(candidates: Candidates, counts: Ints) -> Ints:
    """The widest score gaps of each prompt; a response may stand in several."""
    return _lowest(candidates, counts, -candidates.gap)


def smallest_gap(candidates: Candidates, counts: Ints) -> Ints:
    """The narrowest score gaps of each prompt."""
    return _lowest(candidates, counts, candidates.gap)


def by_value(candidates: Candidates, counts: Ints, values: Floats) -> Ints:
    """The pairs of each prompt with the highest `values` [P]."""
    return _lowest(candidates, counts, -values)


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


def _place(first: npt.NDArray[np.generic], second: Floats) -> Floats:
    """[P] Each candidate's place when all are ordered by the first key, then by the second, lowest first."""
    places = np.empty(len(second))
    places[np.lexsort((second, first))] = np.arange(len(second))
    return places


def _ranks(candidates: Candidates, scores: Floats) -> tuple[Ints, Ints]:
    """[n] Each response's rank among those of its prompt that have a pair, 0 the best; [prompts] the last."""
    used, at = np.unique(np.concatenate((candidates.chosen, candidates.rejected)), return_index=True)
    prompt = np.concatenate((candidates.prompt, candidates.prompt))[at]
    rank = np.zeros(len(scores), np.int64)
    rank[used] = rank_within(prompt, -scores[used])
    return rank, np.bincount(prompt, minlength=candidates.prompt_count) - 1


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
