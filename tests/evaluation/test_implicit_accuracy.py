"""Implicit reward accuracy, by hand."""

import numpy as np

from harness.evaluation.preference import implicit_accuracy


def test_win_tie_and_loss() -> None:
    """Log-ratios (chosen, rejected): (1, -1) is right, (-2, -2) is a tie, (0, 3) is wrong.

    In the third pair the policy itself prefers the chosen response (-1 against -2); the reference did so
    even more, so the implicit reward does not.
    """
    result = implicit_accuracy(
        policy_chosen=np.array([-4.0, -7.0, -1.0]),
        policy_rejected=np.array([-6.0, -5.0, -2.0]),
        reference_chosen=np.array([-5.0, -5.0, -1.0]),
        reference_rejected=np.array([-5.0, -3.0, -5.0]),
    )
    assert result.tolist() == [1.0, 0.5, 0.0]
