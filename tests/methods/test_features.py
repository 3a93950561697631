"""Pair features by linearity."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from harness.methods.candidates import make_candidates
from harness.methods.clustering import Matrix
from harness.methods.features import (
    GradientBank,
    Gradients,
    PairBank,
    PairRows,
    ordered_pairs,
    pair_features,
    pair_positions,
    stored_pair_features,
    unit_differences,
)


def bank(gradients: Gradients, **more: Matrix) -> GradientBank:
    zeros = np.zeros(len(gradients), np.float32)
    return GradientBank(gradients, zeros, np.ones(len(gradients), np.int32), zeros, **more)


def test_by_hand() -> None:
    """Gradients (3, 0), (0, 4), (0, 4.1), scores 2 > 1 > 0.

    0 over 1: (3, -4) / 5. 0 over 2: (3, -4.1) / 5.08. 1 over 2: a difference of 0.1, below 5 % of 4.1: zero.
    """
    gradients = np.array([[3, 0], [0, 4], [0, 4.1]], np.float32)
    features = pair_features(bank(gradients), make_candidates([0, 0, 0], ["a", "b", "c"], [2.0, 1.0, 0.0]))
    length = np.hypot(3, 4.1)
    np.testing.assert_allclose(features, [[0.6, -0.8], [3 / length, -4.1 / length], [0, 0]], rtol=1e-6)
    assert features.dtype == np.float32


def test_equal_and_zero_gradients_have_no_direction() -> None:
    gradients = np.array([[1, 1], [1, 1], [0, 0], [0, 0]], np.float32)
    features = pair_features(
        bank(gradients), make_candidates([0, 0, 1, 1], list("abcd"), [1.0, 0.0, 1.0, 0.0])
    )
    assert not features.any()


def test_the_coefficients_of_a_loss_weigh_the_two_sides() -> None:
    """Gradients (3, 0) and (0, 4), coefficients (-2, 1): (6, -4) over its length.

    With 0 on one side the direction is the other's; with 0 on both there is none.
    """
    gradients = np.array([[3, 0], [0, 4]] * 3, np.float32)
    pairs = make_candidates([0, 0, 1, 1, 2, 2], list("abcdef"), [1.0, 0.0] * 3)
    weights = np.array([[-2, 1], [0, 1], [0, 0]], np.float32)
    expected = [[6 / 52**0.5, -4 / 52**0.5], [0, -1], [0, 0]]
    np.testing.assert_allclose(pair_features(bank(gradients), pairs, weights), expected, rtol=1e-6)


def test_the_bank_is_left_as_it_was() -> None:
    gradients = np.eye(2, dtype=np.float32)
    pair_features(bank(gradients), make_candidates([0, 0], ["a", "b"], [1, 0]))
    np.testing.assert_array_equal(gradients, np.eye(2))


def test_a_response_without_tokens_makes_no_near_pair() -> None:
    """Its gradient is zero, so that of the pair would be the other one's, and say nothing of the two."""
    gradients = np.array([[3, 4], [0, 0]], np.float32)
    assert not pair_features(bank(gradients), make_candidates([0, 0], ["a", ""], [1.0, 0.0])).any()


def test_with_coefficients_by_hand() -> None:
    """-(-0.5 (3, 0) + 0.25 (0, 4)) = (1.5, -1); the same from fp16."""
    gradients = np.array([[3, 0], [0, 4]], np.float16)
    pairs = make_candidates([0, 0], ["a", "b"], [1.0, 0.0])
    features = pair_features(bank(gradients), pairs, np.array([[-0.5, 0.25]], np.float32))
    np.testing.assert_allclose(features, [[1.5 / np.hypot(1.5, 1), -1 / np.hypot(1.5, 1)]], rtol=1e-6)


def test_momentum_by_hand() -> None:
    """Loss gradient (-1.5, 1), momentum (1, 1): -(0.9 - 0.15, 0.9 + 0.1) = -(0.75, 1) = -1.25 (0.6, 0.8).

    A pair of twins stays without a direction, though the momentum has one; without coefficients the weight
    of the two is not known.
    """
    gradients = np.array([[3, 0], [0, 4], [0, 4]], np.float32)
    moved = bank(gradients, momentum=np.ones(2, np.float32))
    pairs = make_candidates([0, 0, 0], ["a", "b", "c"], [1.0, 0.0, -1.0])
    weights = np.array([[-0.5, 0.25], [-0.5, 0.25], [-0.5, 0.5]], np.float32)
    features = pair_features(moved, pairs, weights)
    np.testing.assert_allclose(features, [[-0.6, -0.8], [-0.6, -0.8], [0.0, 0.0]], rtol=1e-6)
    with pytest.raises(ValueError, match="needs the coefficients"):
        pair_features(moved, pairs)


def test_ordered_pairs_and_their_places() -> None:
    """Prompts of 2, 1 and 3 responses: places 0-1 are (0, 1) and (1, 0), then 2-7 those of 3, 4, 5."""
    assert [side.tolist() for side in ordered_pairs(2)] == [[0, 1], [1, 0]]
    sizes = np.array([2, 1, 3])
    pairs = [(0, 1), (1, 0), (3, 4), (3, 5), (4, 3), (4, 5), (5, 3), (5, 4)]
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    assert pair_positions(sizes, first, second).tolist() == list(range(8))


def test_stored_pairs_are_found_and_scaled() -> None:
    """The same prompts, with row j = j (3, 4): candidates 01, 34, 35, 45 are rows 0, 2, 3, 5."""
    rows = np.array([[3 * j, 4 * j] for j in range(8)], np.float16)
    stored = PairBank(rows, np.array([2, 1, 3]))
    candidates = make_candidates([0, 0, 1, 2, 2, 2], list("abcdef"), [1.0, 0.0, 0.0, 3.0, 2.0, 1.0])
    features = stored_pair_features(stored, candidates)
    expected = np.array([[0.0, 0.0], [0.6, 0.8], [0.6, 0.8], [0.6, 0.8]])
    np.testing.assert_allclose(features, expected, rtol=1e-6)


def test_differences_of_any_features_are_those_of_gradients() -> None:
    """Twins and rows of zeros have no direction here, too; the rows are left as they were."""
    rows = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    rows[3], rows[6] = rows[2], 0
    pool = make_candidates([0] * 8, list("abcdefgh"), list(range(8)))
    before = rows.copy()
    found = unit_differences(rows, pool)
    np.testing.assert_array_equal(found, pair_features(bank(rows), pool))
    np.testing.assert_array_equal(rows, before)
    none = (pool.chosen == 6) | (pool.rejected == 6) | ((pool.chosen == 3) & (pool.rejected == 2))
    assert none.sum() == 8
    np.testing.assert_array_equal(found.any(axis=1), ~none)


def test_rows_formed_on_demand_are_the_same(tmp_path: Path) -> None:
    """Any positions, in any order, from a bank of half-precision numbers in a file."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "bank.npy", rng.normal(size=(12, 8)).astype(np.float16))
    prompt_of, scores = [at // 4 for at in range(12)], rng.normal(size=12).tolist()
    candidates = make_candidates(prompt_of, list("abcdefghijkl"), scores)
    form = partial(pair_features, bank(np.load(tmp_path / "bank.npy", mmap_mode="r")))
    whole, lazy = form(candidates), PairRows(candidates, form)
    assert len(lazy) == len(whole) == 18
    for at in ([], [5], [17, 3, 3, 0], list(range(18))):
        rows = lazy[np.array(at, np.int64)]
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows, whole[at])
