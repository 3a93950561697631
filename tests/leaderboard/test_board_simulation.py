"""Whole boards with known truth: how often intervals hold it, and how often equal methods are told apart."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.leaderboard.rank import ALPHA
from harness.leaderboard.statistics import Estimate, estimate, family_p, holm, replicate_noise

Array = NDArray[np.float64]
BOARDS = 1000


def judged(rng: np.random.Generator, truths: Array, replicates: int, noise: Array) -> Array:
    """Win rates [methods, replicates, prompts], each the mean of four verdicts.

    A prompt's difficulty (sd 15 points) is shared; a method has its own strengths (sd 5 points on a prompt),
    and its replicates differ by `noise`.
    """
    shape = len(truths), replicates, 100
    chances = (
        truths[:, None, None]
        + rng.normal(0, 0.15, 100)
        + noise[:, None, None] * rng.normal(size=(*shape[:2], 1))
        + rng.normal(0, 0.05, (shape[0], 1, 100))
    )
    wins: Array = rng.binomial(4, chances.clip(0, 1), shape) / 4
    return wins


def holds(found: Estimate, truth: float) -> bool:
    assert found.ci_low is not None
    assert found.ci_high is not None
    return found.ci_low <= truth <= found.ci_high


@pytest.mark.slow
@pytest.mark.parametrize("replicates", [3, 5])
def test_intervals_of_rows_and_differences_hold_the_truth_on_95_percent(replicates: int) -> None:
    """Six methods from 40 to 60: rows and differences to the first, on 1,000 boards; 93-97 % wanted."""
    rng = np.random.default_rng(replicates)
    truths = np.linspace(0.4, 0.6, 6)
    own, paired = [], []
    for _ in range(BOARDS):
        tables = judged(rng, truths, replicates, np.full(6, 0.03))
        own += [holds(estimate(table), truth) for table, truth in zip(tables, truths, strict=True)]
        paired += [
            holds(estimate(table - tables[0]), truth - truths[0])
            for table, truth in zip(tables[1:], truths[1:], strict=True)
        ]
    assert 0.93 <= np.mean(own) <= 0.97
    assert 0.93 <= np.mean(paired) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    ("replicates", "noise"),
    [(3, [0.03] * 6), (5, [0.03] * 6), (5, [0.005] * 6), (3, [0.02] * 5 + [0.1])],
    ids=["three", "five", "hardly any noise", "one noisy method"],
)
def test_equal_methods_are_rarely_told_apart(replicates: int, noise: list[float]) -> None:
    """Six equal methods, 15 tests: some pair is significant on at most 5 % of 500 boards.

    Monte Carlo allows two standard errors more, 2 sqrt(0.05 x 0.95 / 500) = 1.9 points. Measured on
    1,000, in that order: 2.5, 1.9, 2.0 and 4.1 %; with each comparison's own noise alone up to 18 %.
    """
    rng = np.random.default_rng(10 + replicates)
    wrong = 0
    for _ in range(500):
        tables = judged(rng, np.full(6, 0.5), replicates, np.array(noise))
        pooled = replicate_noise(tables)
        p_values = holm([family_p(estimate(a - b), pooled) for a, b in combinations(tables, 2)])
        wrong += any(p is not None and p < ALPHA for p in p_values)
    assert wrong / 500 <= 0.05 + 0.019
