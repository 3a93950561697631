"""How the sketch benchmark judges a projection."""

import numpy as np
import pytest

from benchmarks.features import correlation, recall
from benchmarks.sketch import gaussian, implied_correlation


def test_the_implied_correlation_by_hand() -> None:
    """An error as large as the spread: 1 / sqrt(2). A quarter of it: 1 / sqrt(17 / 16) = 4 / sqrt(17)."""
    assert implied_correlation(0.1, 0.1) == pytest.approx(0.707107, abs=1e-6)
    assert implied_correlation(0.022, 0.088) == pytest.approx(0.970143, abs=1e-6)


@pytest.mark.parametrize(("dim", "rank"), [(256, 8), (256, 64), (512, 64)])
def test_projected_cosines_correlate_as_their_error_implies(dim: int, rank: int) -> None:
    """Unit rows in a space of `rank` dimensions: cosines of spread 1 / sqrt(rank), so 0.35 and 0.125."""
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(150, rank)) @ draw.normal(size=(rank, 4096))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = gaussian(rows.astype(np.float32), dim, seed=0)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    exact, ours = ((table @ table.T).astype(np.float32) for table in (rows, found))
    above = np.triu_indices(len(exact), k=1)
    error = float(np.sqrt(np.mean((ours - exact)[above] ** 2)))
    implied = implied_correlation(error, float(exact[above].std()))
    assert correlation(ours, exact) == pytest.approx(implied, abs=0.005)
    assert implied < 0.99


def test_correlation_looks_at_each_pair_of_different_rows_once() -> None:
    """Above the diagonal: 1, 2, 3 against 2, 4, 6, then against 3, 2, 1; the rest does not count."""
    exact, found = np.full((3, 3), 9, np.float32), np.full((3, 3), -5, np.float32)
    above = np.triu_indices(3, k=1)
    exact[above], found[above] = [1, 2, 3], [2, 4, 6]
    assert correlation(found, exact) == pytest.approx(1)
    found[above] = [3, 2, 1]
    assert correlation(found, exact) == pytest.approx(-1)


def test_recall_by_hand() -> None:
    """Nearest two of four: of row 0 they are 1 and 2, turned round 3 and 2: one in common. So of all."""
    exact = np.array([[9.0, 3, 2, 1], [3, 9, 1, 2], [2, 1, 9, 3], [1, 2, 3, 9]], np.float32)
    assert recall(exact, exact, nearest=2) == 1
    assert recall(-exact, exact, nearest=2) == 0.5
    assert recall(-exact, exact, nearest=1) == 0
