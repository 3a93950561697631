"""Which candidates fill the counts."""

import numpy as np
import pytest

from harness.methods import pairing
from harness.methods.candidates import Candidates, Floats, Ints, make_candidates
from harness.methods.clustering import PairClusters


def one_prompt(gaps: list[float]) -> Candidates:
    size = len(gaps)
    return Candidates(np.zeros(size, np.int64), np.arange(size), np.arange(size) + size, np.array(gaps), 1)


def counts(*values: int) -> Ints:
    return np.array(values, np.int64)


def scored(*scores: float) -> tuple[Candidates, Floats]:
    """One prompt's responses with these scores, all of different texts."""
    texts = [f"t{place}" for place in range(len(scores))]
    return make_candidates([0] * len(scores), texts, scores), np.array(scores, np.float64)


def sides(pool: Candidates, found: Ints) -> set[tuple[int, int]]:
    """(chosen, rejected) of the pairs found."""
    return {(int(pool.chosen[at]), int(pool.rejected[at])) for at in found}


def test_largest_and_smallest_gap() -> None:
    """The gaps 5 and 4, of the two gaps 4 the earlier; the gap 1, then again the earlier 4."""
    assert pairing.largest_gap(one_prompt([4, 1, 5, 4]), counts(2)).tolist() == [0, 2]
    assert pairing.smallest_gap(one_prompt([4, 1, 5, 4]), counts(2)).tolist() == [0, 1]


def test_best_worst_goes_inwards_then_by_gap() -> None:
    """Scores 9 7 4 3 0: (0, 4), then (1, 3); the middle is alone, so the widest of the others: (1, 4)."""
    pool, scores = scored(9, 7, 4, 3, 0)
    found = [sides(pool, pairing.best_worst(pool, counts(count), scores)) for count in (1, 2, 3)]
    assert found == [{(0, 4)}, {(0, 4), (1, 3)}, {(0, 4), (1, 3), (1, 4)}]


def test_best_worst_with_ties() -> None:
    """Scores 5 5 1 1: both mirrored pairs, (0, 3) and (1, 2). Scores 5 2 2 1: (1, 2) is a tie, so no pair."""
    pool, scores = scored(5, 5, 1, 1)
    assert sides(pool, pairing.best_worst(pool, counts(2), scores)) == {(0, 3), (1, 2)}
    pool, scores = scored(5, 2, 2, 1)
    assert sides(pool, pairing.best_worst(pool, counts(2), scores)) == {(0, 3), (0, 1)}


def test_best_random_is_the_best_against_each_equally_often() -> None:
    """3 others, 1500 draws: each 500 times with s.d. sqrt(1500 x 2 / 9) = 18; 4 pairs include all of them."""
    (pool, scores), rng = scored(1, 8, 3, 5), np.random.default_rng(0)
    drawn = [sides(pool, pairing.best_random(pool, counts(1), scores, rng)) for _ in range(1500)]
    times = np.array([drawn.count({(1, other)}) for other in (0, 2, 3)])
    assert times.sum() == 1500
    assert np.all(np.abs(times - 500) < 4 * 18)
    four = sides(pool, pairing.best_random(pool, counts(4), scores, rng))
    assert {(1, 0), (1, 2), (1, 3)} < four
    assert {chosen for chosen, _ in four} == {1, 3}


def test_mean_minus_2sd_by_hand() -> None:
    """Scores 10, 9 six times, 5, 4, 0: mean 7.3, variance (100 + 486 + 25 + 16) / 10 - 53.29 = 9.41, s.d.
    3.07, so the aim is 1.16. The best meets 0 (1.16 away), then 4 (2.84 away), not 5. In the second, 4, 3,
    2, 1, 0: mean 2, s.d. 1.41 and aim -0.83: the worst.
    """
    first, second = [10, 9, 9, 9, 9, 9, 9, 5, 4, 0], [4, 3, 2, 1, 0]
    prompt_of = np.repeat([0, 1], [10, 5])
    texts, scores = [f"t{place}" for place in range(15)], np.array(first + second, np.float64)
    pool = make_candidates(prompt_of.tolist(), texts, scores.tolist())
    found = sides(pool, pairing.mean_minus_2sd(pool, counts(2, 1), scores, prompt_of))
    assert found == {(0, 9), (0, 8), (10, 14)}


def test_mean_minus_2sd_is_not_the_worst_where_the_tail_is_long() -> None:
    """19 times 10, then 7, then -10: mean 8.90, variance (19 x 1.21 + 3.61 + 357.2) / 21 = 18.3, s.d. 4.28:
    the aim is 0.34. 7 is 6.66 away, -10 is 10.34 away.
    """
    scores = np.array([10.0] * 19 + [7, -10])
    pool = make_candidates([0] * 21, [f"t{place}" for place in range(21)], scores.tolist())
    found = pairing.mean_minus_2sd(pool, counts(1), scores, np.zeros(21, np.int64))
    assert sides(pool, found) == {(0, 19)}


def test_by_value_takes_the_highest() -> None:
    values = np.array([0.1, -np.inf, 0.3, 0.3])
    assert pairing.by_value(one_prompt([1, 1, 1, 1]), counts(2), values).tolist() == [2, 3]
    assert pairing.by_value(one_prompt([1, 1, 1, 1]), counts(3), values).tolist() == [0, 2, 3]


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
        pairing.largest_gap(one_prompt([1]), counts(1, 1))
