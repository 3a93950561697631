"""Rank intervals by a two-level bootstrap: replicates and prompts drawn anew, the same for all.

A draw is a weight for each replicate and one for each prompt (counts of a multinomial; Owen 2007, "The
pigeonhole bootstrap"), so that the means of all methods in all draws are two matrix products. Of the plain
bootstrap we change what `statistics.py` changes too:

1. The term of replicate by prompt is left out: the other two hold its noise already.
2. The replicate term is stretched by sqrt(R / (R-1)) t(R-1) / z, as Hesterberg 2015 ("What teachers should
   know about the bootstrap") stretches the percentile interval of a small sample.

Simulated with 8 methods and 100 prompts, the interval holds the true rank in 99 % where replicates do not
differ. Where they differ by P var(a) = 16 var(e) it is 96 % with 5 replicates and 93 % with 3 (plain: 92 and
85), and at 144 var(e) 90 and 86 % (plain: 83 and 73): a rank hangs on many differences at once. So what is
*significantly* better is for the paired tests of `rank.py` to say, and these intervals only describe.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special

DRAWS = 10_000
SEED = 0
LEVEL = 0.95
_BATCH = 1000  # draws at once: 805 prompts take 6 MB
_EXACT = 9  # decimals of a mean that are kept, so that equal methods stay equal however BLAS rounds


def rank_intervals(tables: NDArray[np.float64], draws: int = DRAWS) -> list[tuple[int, int]]:
    """(best, worst) place of each method in the middle 95 % of the draws.

    A method's place in a draw is 1 + the number of methods with a larger mean; equal means share a place. The
    draws are the same each time.

    Args:
        tables: [methods, replicates, prompts], without holes; larger is better.
        draws: how many times to draw.
    """
    places = np.concatenate([_places(means) for means in drawn_means(tables, draws, SEED)])
    ends = np.quantile(places, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0, method="inverted_cdf")
    return [(int(best), int(worst)) for best, worst in ends.T]


def drawn_means(tables: NDArray[np.float64], draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """The methods' means [draws, methods], in batches of draws."""
    rng = np.random.default_rng(seed)
    _, replicates, prompts = tables.shape
    by_prompt = tables.mean(axis=1).T
    by_replicate = _stretch(replicates) * (tables.mean(axis=2).T - by_prompt.mean(axis=0))
    for start in range(0, draws, _BATCH):
        batch = min(_BATCH, draws - start)
        means = _weights(rng, batch, prompts) @ by_prompt + _weights(rng, batch, replicates) @ by_replicate
        yield np.round(means, _EXACT)


def _stretch(replicates: int) -> float:
    """One replicate does not differ from itself, so that its factor does not matter."""
    if replicates == 1:
        return 1.0
    quantile = (1 + LEVEL) / 2
    t, z = special.stdtrit(replicates - 1, quantile), special.ndtri(quantile)
    return float(np.sqrt(replicates / (replicates - 1)) * t / z)


def _weights(rng: np.random.Generator, draws: int, size: int) -> NDArray[np.float64]:
    """[draws, size]: how often each of `size` things comes in `size` draws with replacement, / size."""
    drawn = rng.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * size).reshape(draws, size) / size


def _places(means: NDArray[np.float64]) -> NDArray[np.int64]:
    higher: NDArray[np.int64] = (means[:, :, None] < means[:, None, :]).sum(axis=2)
    return 1 + higher
