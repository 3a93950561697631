"""Which candidates fill the counts."""

import numpy as np
import pytest

from harness.methods import pairing
from harness.methods.candidates import Candidates, Ints
from harness.methods.clustering import PairClusters


def one_prompt(gaps: list[float]) -> Candidates:
    size = len(gaps)
    return Candidates(np.zeros(size, np.int64), np.arange(size), np.arange(size) + size, np.array(gaps), 1)


def counts(*values: int) -> Ints:
    return np.array(values, np.int64)


def test_best_worst_takes_the_widest() -> None:
    """The gaps 5 and 4; of the two gaps 4 the earlier."""
    assert pairing.best_worst(one_prompt([4, 1, 5, 4]), counts(2)).tolist() == [0, 2]


def test_nearest_takes_the_nearest_and_directionless_last() -> None:
    found = PairClusters(np.array([-1, 0, 1, 0]), np.array([np.inf, 0.3, 0.1, 0.2]))
    assert pairing.nearest(one_prompt([9, 1, 1, 1]), counts(2), found).tolist() == [2, 3]
    assert pairing.nearest(one_prompt([9, 1, 1, 1]), counts(4), found).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("count", "ranks"), [(1, [5]), (2, [2, 7]), (4, [1, 3, 6, 8]), (10, list(range(10)))]
)
def test_uniform_takes_the_middle_of_equal_parts(count: int, ranks: list[int]) -> None:
    """10 gaps, falling: position = rank = floor((2 j + 1) 10 / (2 c)). For c = 4: 1.25, 3.75, 6.25, 8.75."""
    falling = [float(10 - rank) for rank in range(10)]
    assert pairing.uniform(one_prompt(falling), counts(count)).tolist() == ranks
    rising = pairing.uniform(one_prompt(falling[::-1]), counts(count)).tolist()
    assert rising == sorted(9 - rank for rank in ranks)


def test_uniform_without_pairs() -> None:
    assert pairing.uniform(one_prompt([1, 2]), counts(0)).tolist() == []


def test_random_pairs_are_equally_likely() -> None:
    """2 of 5, drawn 2000 times: each expected 800 times with s.d. sqrt(2000 x .4 x .6) = 22."""
    rng, pool = np.random.default_rng(0), one_prompt([1, 2, 3, 4, 5])
    times = np.bincount(np.concatenate([pairing.random_pairs(pool, counts(2), rng) for _ in range(2000)]))
    assert np.all(np.abs(times - 800) < 4 * 22)


def test_counts_for_other_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="2 counts were given for 1 prompts"):
        pairing.best_worst(one_prompt([1]), counts(1, 1))
