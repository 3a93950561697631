"""Features of pairs, formed from one gradient for each response."""

from dataclasses import dataclass

import numpy as np

from harness.methods.candidates import Candidates
from harness.methods.clustering import Matrix

# Below this share of the longer gradient, a difference of two gradients is mostly rounding.
SMALLEST_DIFFERENCE = 0.05


@dataclass(frozen=True, eq=False)
class GradientBank:
    """What is known of each response: `gradients` [n, dim], sketched, and `logprobs` [n] in nats."""

    gradients: Matrix
    logprobs: Matrix


def pair_features(bank: GradientBank, candidates: Candidates) -> Matrix:
    """The direction in which training on each pair moves the adapter.

    For a loss l(s_w, s_l) of the two log-probabilities, grad l = (dl/ds_w) g_w + (dl/ds_l) g_l. A loss of the
    margin alone (DPO, hinge, ...) has dl/ds_w = -dl/ds_l = -c with c > 0, so its descent direction is
    c (g_w - g_l), and the unit row does not depend on the loss, on beta, nor on the reference.

    Returns:
        [P, dim] rows of unit length along g_w - g_l; zero where the responses are so alike in gradient that
        the difference is below 5 % of the longer one, and its direction would be noise.
    """
    return unit_differences(bank.gradients, candidates)


def unit_differences(rows: Matrix, candidates: Candidates) -> Matrix:
    """Rows of unit length from a pair's rejected to its chosen response.

    Args:
        rows: [n, width], one for each response.
        candidates: the usable pairs.

    Returns:
        [P, width]; zero where the difference is below 5 % of the longer of the two, and so mostly rounding.
    """
    lengths = np.linalg.norm(rows, axis=1)
    found = rows[candidates.chosen]
    found -= rows[candidates.rejected]
    norms = np.linalg.norm(found, axis=1)
    longer = np.maximum(lengths[candidates.chosen], lengths[candidates.rejected])
    clear = norms > SMALLEST_DIFFERENCE * longer
    found *= np.divide(1.0, norms, out=np.zeros_like(norms), where=clear)[:, None]
    return found
