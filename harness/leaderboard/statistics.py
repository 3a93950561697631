"""Means of replicates x prompts with intervals, tests, Holm's correction and power; pure arithmetic.

A table x[r, p] (replicate r, prompt p; samples already averaged) is read as
    x[r, p] = mean + a[r] + b[p] + e[r, p],
replicates and prompts both being drawn from larger populations. The interval, in five lines:

1. A bootstrap that resamples replicates and prompts together has, with infinitely many draws, the variance
   (MS_r + MS_p + MS_e) / (R P): Owen 2007, "The pigeonhole bootstrap", with the n/(n-1) that Hesterberg 2015
   asks for in small samples. We use this closed form, so there are no draws, no seed and no draw noise.
2. It counts e three times, since the first two terms hold it already; so MS_e enters with a minus sign, and
   a part estimated below zero counts as zero: V = (max(MS_r-MS_e,0) + max(MS_p-MS_e,0) + MS_e) / (R P).
3. Degrees of freedom are Satterthwaite's (1946) for that sum, less one, but at least min(R, P) - 1.
4. Interval: mean +- t(df) sqrt(V); p value: from the same t, so p < 0.05 iff the interval leaves out zero.
5. The "less one" is ours: without it, three replicates cover somewhat too little.

Simulated coverage of the 95 % interval, with normal effects of replicates and prompts and 100 prompts:
94.1-97.5 % with 3 replicates, 94.9-97.4 % with 5. It errs to the wide side where there is no effect at all.
With 2 replicates it goes down to 90.9 %. With 3, a percentile bootstrap goes down to 75 %.

That holds at 95 %, but Holm's correction asks for p values far out in the tail, and there 3. does not hold:
where few replicates happen to agree, their part counts as zero and the degrees of freedom as hundreds. Of 6
or 11 equal methods some were told apart on 0.7-11.7 % of simulated boards. So a comparison that is one of
several has to stand against the noise of replicates pooled over all methods too (`family_p`), which has
(methods - 1) (R - 1) degrees of freedom: then it is 0.6-5.2 %, with unequal noise as well. The simulations
are in tests/leaderboard/, and docs/statistics.md says how to run each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True)
class Parts:
    """The variance of a mean, split by source; None where the data cannot tell the source apart."""

    replicates: float | None
    prompts: float | None
    residual: float | None


@dataclass(frozen=True)
class Estimate:
    """A mean over replicates x prompts; `p` tests it against zero. Without spread there is no interval."""

    mean: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    standard_error: float
    degrees_of_freedom: float
    parts: Parts
    shape: tuple[int, int]


@dataclass(frozen=True)
class Noise:
    """Variance, in one replicate, of the difference of two methods' means over prompts."""

    variance: float
    degrees_of_freedom: int


def estimate(table: NDArray[np.float64]) -> Estimate:
    """Mean, 95 % interval, and p value against zero, of `table` [replicates, prompts] (module docstring).

    With one replicate or one prompt it is the one-sample t interval over the other. A table without spread
    has no interval and no p value, except that a mean of exactly zero gets p = 1.
    """
    mean = float(table.mean())
    variance, df, parts = _variance_of_mean(table)
    resolution = float(np.abs(table).max()) * 1e-9  # below this, spread is rounding
    if variance <= resolution**2:
        return Estimate(mean, None, None, 1.0 if mean == 0 else None, 0.0, df, parts, table.shape)
    error = float(np.sqrt(variance))
    half = float(special.stdtrit(df, (1 + LEVEL) / 2)) * error
    p = 2 * float(special.stdtr(df, -abs(mean) / error))
    return Estimate(mean, mean - half, mean + half, p, error, df, parts, table.shape)


def replicate_noise(tables: NDArray[np.float64]) -> Noise | None:
    """The noise of a replicate in a difference, pooled over `tables` [methods, replicates, prompts].

    Twice the interaction mean square of the means over prompts [methods, replicates], as in a two-way
    analysis of variance: what moves all methods alike cancels out. None for one method or one replicate.
    """
    methods, replicates, _ = tables.shape
    degrees = (methods - 1) * (replicates - 1)
    if degrees == 0:
        return None
    means = tables.mean(axis=2)
    left = means - means.mean(axis=0) - means.mean(axis=1, keepdims=True) + means.mean()
    return Noise(2 * float((left**2).sum()) / degrees, degrees)


def family_p(gap: Estimate, noise: Noise | None) -> float | None:
    """The p value of a comparison that is one of several: the larger of its own and that by the pooled noise.

    The latter is of t = mean / sqrt(noise / R + prompt part), with Satterthwaite's degrees of freedom.
    """
    if gap.p is None or noise is None or gap.parts.prompts is None:
        return gap.p
    replicates, prompts = gap.shape
    by_replicate, by_prompt = noise.variance / replicates, gap.parts.prompts
    variance = by_replicate + by_prompt
    if variance <= 0 or min(gap.shape) == 1:
        return gap.p
    degrees = variance**2 / (by_replicate**2 / noise.degrees_of_freedom + by_prompt**2 / (prompts - 1))
    return max(gap.p, 2 * float(special.stdtr(degrees, -abs(gap.mean) / np.sqrt(variance))))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P values adjusted for the number of tests (Holm 1979).

    Rejecting those below alpha holds the chance of any false rejection at alpha. A None is a test that could
    not be made: it stays None and does not count.
    """
    made = sorted((p, at) for at, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for step, (p, at) in enumerate(made):
        largest = max(largest, min(1.0, p * (len(made) - step)))
        adjusted[at] = largest
    return adjusted


def smallest_detectable_difference(standard_error: float, degrees_of_freedom: float) -> float:
    """The true difference that one two-sided test at the 5 % level finds with chance 80 %.

    Solves the noncentral t equation; Miller 2024 (arXiv 2411.00640, section 5) gives its limit for many
    degrees of freedom, (z[0.975] + z[0.8]) * standard_error.
    """
    critical = float(special.stdtrit(degrees_of_freedom, (1 + LEVEL) / 2))
    shift = special.nctdtrinc(degrees_of_freedom, 1 - POWER, critical)
    return float(shift) * standard_error


def _variance_of_mean(table: NDArray[np.float64]) -> tuple[float, float, Parts]:
    replicates, prompts = table.shape
    if replicates == 1 or prompts == 1:
        return _one_way(table)
    mean = table.mean()
    by_replicate, by_prompt = table.mean(axis=1) - mean, table.mean(axis=0) - mean
    residual = table - mean - by_replicate[:, None] - by_prompt[None, :]
    df_r, df_p = replicates - 1, prompts - 1
    ms_r = prompts * float(by_replicate @ by_replicate) / df_r
    ms_p = replicates * float(by_prompt @ by_prompt) / df_p
    ms_e = float((residual**2).sum()) / (df_r * df_p)
    part_r, part_p = max(ms_r - ms_e, 0.0), max(ms_p - ms_e, 0.0)
    total = part_r + part_p + ms_e
    cells = replicates * prompts
    parts = Parts(part_r / cells, part_p / cells, ms_e / cells)
    # A replicate part that counts as zero adds no uncertainty; then prompts and residual carry all of it.
    square = (ms_r if part_r > 0 else 0.0) ** 2 / df_r + max(ms_p, ms_e) ** 2 / df_p + ms_e**2 / (df_r * df_p)
    satterthwaite = total**2 / square if square > 0 else 1.0
    return total / cells, max(satterthwaite - 1, min(df_r, df_p)), parts


def _one_way(table: NDArray[np.float64]) -> tuple[float, float, Parts]:
    values = table.ravel()
    if values.size == 1:
        return 0.0, 1.0, Parts(None, None, None)
    variance = float(values.var(ddof=1)) / values.size
    parts = Parts(None, variance, None) if table.shape[0] == 1 else Parts(variance, None, None)
    return variance, float(values.size - 1), parts
