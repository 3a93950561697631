"""Pair features by linearity."""

from pathlib import Path

import numpy as np

from harness.methods.candidates import make_candidates
from harness.methods.features import GradientBank, PairFeatures, pair_features


def test_by_hand() -> None:
    """Gradients (3, 0), (0, 4), (0, 4.1), scores 2 > 1 > 0.

    0 over 1: (3, -4) / 5. 0 over 2: (3, -4.1) / 5.08. 1 over 2: a difference of 0.1, below 5 % of 4.1: zero.
    """
    gradients = np.array([[3, 0], [0, 4], [0, 4.1]], np.float32)
    bank = GradientBank(gradients, np.zeros(3, np.float32))
    features = pair_features(bank, make_candidates([0, 0, 0], ["a", "b", "c"], [2.0, 1.0, 0.0]))
    length = np.hypot(3, 4.1)
    np.testing.assert_allclose(features, [[0.6, -0.8], [3 / length, -4.1 / length], [0, 0]], rtol=1e-6)
    assert features.dtype == np.float32


def test_equal_and_zero_gradients_have_no_direction() -> None:
    bank = GradientBank(np.array([[1, 1], [1, 1], [0, 0], [0, 0]], np.float32), np.zeros(4, np.float32))
    features = pair_features(bank, make_candidates([0, 0, 1, 1], list("abcd"), [1.0, 0.0, 1.0, 0.0]))
    assert not features.any()


def test_the_bank_is_left_as_it_was() -> None:
    gradients = np.eye(2, dtype=np.float32)
    pair_features(
        GradientBank(gradients, np.zeros(2, np.float32)), make_candidates([0, 0], ["a", "b"], [1, 0])
    )
    np.testing.assert_array_equal(gradients, np.eye(2))


def test_rows_formed_on_demand_are_the_same(tmp_path: Path) -> None:
    """Any positions, in any order, from a bank of half-precision numbers in a file."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "bank.npy", rng.normal(size=(12, 8)).astype(np.float16))
    gradients = np.load(tmp_path / "bank.npy", mmap_mode="r")
    candidates = make_candidates(
        [at // 4 for at in range(12)], list("abcdefghijkl"), rng.normal(size=12).tolist()
    )
    bank = GradientBank(gradients, np.zeros(12, np.float32))
    whole, lazy = pair_features(bank, candidates), PairFeatures(bank, candidates)
    assert len(lazy) == len(whole) == 18
    for at in ([], [5], [17, 3, 3, 0], list(range(18))):
        rows = lazy[np.array(at, np.int64)]
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows, whole[at])
