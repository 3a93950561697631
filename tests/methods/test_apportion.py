"""Largest remainder with caps and a minimum."""

import numpy as np
import pytest

from harness.errors import ShortBudget
from harness.methods.apportion import apportion


def give(weights: list[float], total: int, caps: list[int], minimum: int = 0) -> list[int]:
    counts: list[int] = apportion(np.array(weights), total, np.array(caps), minimum).tolist()
    return counts


def test_largest_remainder_by_hand() -> None:
    """10 by 1:2:3 is 1.67, 3.33, 5; rounded down 1, 3, 5; the unit left goes to the fraction .67."""
    assert give([1, 2, 3], 10, [99, 99, 99]) == [2, 3, 5]


def test_a_cap_passes_its_excess_on_in_proportion() -> None:
    """12 by 3:1:2 is 6, 2, 4. The cap of 3 leaves 9 by 1:2."""
    assert give([3, 1, 2], 12, [3, 99, 99]) == [3, 3, 6]


def test_a_minimum_is_paid_for_in_proportion() -> None:
    """12 by 10:1:1 is 10, 1, 1. A minimum of 2 leaves 8 for the first."""
    assert give([10, 1, 1], 12, [99, 99, 99], minimum=2) == [8, 2, 2]


def test_a_minimum_holds_only_where_the_cap_allows() -> None:
    """Caps 1 and 0 are below the minimum of 2."""
    assert give([1, 1, 1], 6, [9, 1, 0], minimum=2) == [5, 1, 0]


def test_equal_fractions_go_to_the_earlier() -> None:
    assert give([1, 1, 1, 1], 6, [9, 9, 9, 9]) == [2, 2, 1, 1]


def test_whole_shares_survive_rounding() -> None:
    """0.1 : 0.2 : 0.7 of 10 000 000 is whole, though 0.1 is no binary number."""
    assert give([0.1, 0.2, 0.7], 10_000_000, [10**8] * 3) == [1_000_000, 2_000_000, 7_000_000]


def test_everything_and_nothing() -> None:
    assert give([5, 1], 7, [3, 4]) == [3, 4]
    assert give([5, 1], 0, [3, 4]) == [0, 0]
    assert give([], 0, []) == []


@pytest.mark.parametrize("seed", range(40))
def test_one_level_explains_every_count(seed: int) -> None:
    """A level must exist with |count - clip(level * weight, low, cap)| < 1 for all: the definition.

    Each count bounds the level from both sides; at its cap a count gives no upper bound, at its low no lower
    one. All these intervals must share a point.
    """
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    weights, caps = rng.pareto(1.0, n) + 1e-3, rng.integers(0, 30, n)
    minimum = int(rng.integers(0, 4))
    low = np.minimum(minimum, caps)
    total = int(rng.integers(low.sum(), caps.sum() + 1))
    counts = apportion(weights, total, caps, minimum)
    assert counts.sum() == total
    assert np.all((low <= counts) & (counts <= caps))
    at_least = np.where(counts > low, (counts - 1) / weights, 0.0).max()
    at_most = np.where(counts < caps, (counts + 1) / weights, np.inf).min()
    assert at_least < at_most


def test_many_prompts() -> None:
    rng = np.random.default_rng(0)
    weights, caps = rng.pareto(1.0, 100_000), rng.integers(0, 29, 100_000)
    assert apportion(weights, 400_000, caps, 1).sum() == 400_000


@pytest.mark.parametrize(
    ("total", "minimum", "weights", "limit"),
    [
        (8, 0, [1.0, 1.0], "the 2 prompts have only 7 usable pairs"),
        (3, 2, [1.0, 1.0], "a minimum of 2 for each of the 2 prompts that have pairs takes 4"),
        (5, 1, [1.0, 0.0], "the prompts of positive weight have room for only 4"),
    ],
)
def test_a_shortfall_names_its_limit(total: int, minimum: int, weights: list[float], limit: str) -> None:
    """Caps are 3 and 4. With weight 0 the second gets its minimum of 1: room for 3 + 1."""
    with pytest.raises(ShortBudget, match=limit):
        give(weights, total, [3, 4], minimum)


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_impossible_weights_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        give([1.0, weight], 1, [1, 1])
