"""Gradients of pairs under Adam's own formula, which gradients of responses cannot give by linearity.

The backward passes are still one for each response: with a parameter's K gradients at hand, those of the
pairs are combined, put through the formula and sketched; then all of them are dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.data.tokens import Encoded
from harness.methods.adam import Moments, update
from harness.methods.capture import Sink
from harness.methods.clustering import Matrix
from harness.methods.features import SMALLEST_DIFFERENCE, ordered_pairs
from harness.methods.gradients import GradientPass, backward, response_lengths
from harness.methods.losses import Loss, coefficients
from harness.methods.losses.pairs import pairs_of_responses
from harness.methods.projection import add_sketch
from harness.methods.still import still


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss of a pair, and the moments that its warm-up left."""

    loss: Loss
    moments: Moments


def adam_pair_gradients(
    taken: GradientPass, rows: Sequence[Encoded], reference: Matrix, objective: Objective
) -> tuple[Matrix, Matrix]:
    """The sketched Adam update of every ordered pair of one prompt's responses (`methods.adam.update`).

    Args:
        taken: the model at its warmed-up adapter, and how gradients are taken.
        rows: the K responses to one prompt.
        reference: [K] log-probabilities of the reference.
        objective: the loss and the moments. To a loss that depends on the batch, the prompt's pairs are one.

    Returns:
        ([K (K - 1), dim] descent directions in the order of `ordered_pairs`, zero where a response has no
        tokens or the loss's two terms cancel; [K] log-probabilities of the policy).
    """
    first, second = (torch.tensor(side) for side in ordered_pairs(len(rows)))
    cells = torch.zeros((len(first), taken.dim), device=taken.device)
    sums = _Sums(*(torch.zeros(len(first), device=taken.device) for _ in range(3)))

    lengths = torch.tensor(response_lengths(rows), device=taken.device)
    known = torch.tensor(np.asarray(reference), device=taken.device)

    def sink_for(logprobs: Tensor) -> Sink:
        pairs = pairs_of_responses(logprobs, known.to(logprobs), lengths, chosen=first, rejected=second)
        weights = coefficients(objective.loss, pairs)

        def sink(name: str, gradients: Tensor) -> None:
            flat = gradients.flatten(1)
            terms = (weights[:, :1] * flat[first], weights[:, 1:] * flat[second])
            combined = terms[0] + terms[1]
            sums.add(terms[0], terms[1], combined)
            moments = objective.moments
            m, v = (moment[name].to(flat).flatten() for moment in (moments.first, moments.second))
            add_sketch(cells, -update(combined, m, v), taken.tables[name])

        return sink

    with still(taken.model, checkpointing=not taken.response_only):
        logprobs = backward(taken, rows, sink_for)
    written = lengths > 0
    cells[~(sums.clear & written[first] & written[second])] = 0
    found: Matrix = cells.cpu().numpy()
    return found, logprobs


@dataclass(frozen=True, eq=False)
class _Sums:
    """Squared lengths [pairs] of the loss's two terms and of their sum, over the parameters seen so far."""

    term_w: Tensor
    term_l: Tensor
    both: Tensor

    def add(self, term_w: Tensor, term_l: Tensor, both: Tensor) -> None:
        for total, rows in ((self.term_w, term_w), (self.term_l, term_l), (self.both, both)):
            total.add_(rows.square().sum(1))

    @property
    def clear(self) -> Tensor:
        """[pairs] whether the two terms leave a direction: the rule of `features.pair_features`."""
        return self.both > SMALLEST_DIFFERENCE**2 * torch.maximum(self.term_w, self.term_l)
