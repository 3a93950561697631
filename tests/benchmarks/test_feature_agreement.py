"""The pieces of the benchmark that judges cheaper features."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.features import Setting, Task, bank_gradients, cosines, exact_gradients, hidden_states
from harness.data.tokens import Encoded
from harness.methods.candidates import make_candidates


@pytest.fixture
def task(tiny_base: Path) -> Task:
    """Two prompts of three responses each: six pairs."""
    rows = [Encoded((1, 4, 7 + p, 5), (10 + p + r, 20 + r, 2)) for p in range(2) for r in range(3)]
    pairs = make_candidates([0, 0, 0, 1, 1, 1], [str(row) for row in rows], [2.0, 1, 0, 2, 1, 0])
    return Task(tiny_base, rows, pairs)


def test_the_bank_of_the_default_setting_agrees_with_exact_gradients(task: Task) -> None:
    """Six pairs at an error of 1 / sqrt(8192) = 0.011 for each cosine; 0.05 is over four of them."""
    exact = cosines(exact_gradients(task), task.pairs)
    found = cosines(bank_gradients(task, Setting(dim=8192)), task.pairs)
    np.testing.assert_allclose(found, exact, atol=0.05)
    np.testing.assert_allclose(np.diag(exact), 1, atol=1e-5)


def test_the_pairs_of_a_triangle_add_up(task: Task) -> None:
    """(0, 1) + (1, 2) = (0, 2): no linear feature can hold these three at right angles."""
    exact = cosines(exact_gradients(task), task.pairs)
    assert np.linalg.matrix_rank(exact[:3, :3], tol=1e-4) == 2


@pytest.mark.parametrize("setting", [Setting(layers=1), Setting(rank=4), Setting(response_only=True)])
def test_cheaper_settings_give_other_features(task: Task, setting: Setting) -> None:
    usual, cheap = (cosines(bank_gradients(task, each), task.pairs) for each in (Setting(), setting))
    assert np.abs(usual - cheap).max() > 0.01


def test_hidden_states_have_the_models_width(task: Task) -> None:
    assert hidden_states(task).shape == (6, 32)
