"""Pairwise preference losses: pure functions of the log-probabilities of a pair's two responses.

Each has the shape (pairs, its own hyper-parameters) -> loss [P]. What depends on a pair only through its two
log-probabilities has the gradient (dl/ds_w) g_w + (dl/ds_l) g_l, with g the gradient of a log-probability.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PairLogprobs:
    """What a loss may see of P pairs: each [P], log-probabilities of whole responses in nats.

    `w` is the chosen response, `l` the rejected one; `len` counts the tokens of a response.
    """

    policy_w: Tensor
    policy_l: Tensor
    reference_w: Tensor
    reference_l: Tensor
    len_w: Tensor
    len_l: Tensor

    @property
    def margin(self) -> Tensor:
        """[P] log-ratio of the chosen response minus that of the rejected one."""
        return (self.policy_w - self.reference_w) - (self.policy_l - self.reference_l)


Loss = Callable[[PairLogprobs], Tensor]
"""A loss with its hyper-parameters filled in: pairs -> [P]."""


@dataclass(frozen=True)
class PairLoss:
    """A loss with its hyper-parameters filled in, and what it must be given.

    `needs` names what `PairLogprobs` must hold besides the policy's log-probabilities and the lengths:
    "reference".
    """

    value: Loss
    needs: frozenset[str] = frozenset({"reference"})


def dpo(pairs: PairLogprobs, beta: float) -> Tensor:
    """-log sigmoid(beta margin) (Rafailov et al., arXiv 2305.18290, equation 7)."""
    return -F.logsigmoid(beta * pairs.margin)


def ipo(pairs: PairLogprobs, beta: float) -> Tensor:
    """(h - 1 / (2 beta))^2 (Azar et al., arXiv 2310.12036, equation 17, with tau = beta).

    h is the margin of the log-ratios per token: in sums over tokens the target 1 / (2 beta) would mean
    something else for responses of each length, so trainers divide by it. A response without tokens has
    the log-ratio 0.
    """
    ratio_w = (pairs.policy_w - pairs.reference_w) / pairs.len_w.clamp(min=1)
    ratio_l = (pairs.policy_l - pairs.reference_l) / pairs.len_l.clamp(min=1)
    return (ratio_w - ratio_l - 1 / (2 * beta)).square()


def hinge(pairs: PairLogprobs, beta: float) -> Tensor:
    """max(0, 1 - beta margin) (Zhao et al., arXiv 2305.10425; with log-ratios, arXiv 2309.06657)."""
    return F.relu(1 - beta * pairs.margin)


def coefficients(loss: Loss, pairs: PairLogprobs) -> Tensor:
    """(dl/ds_w, dl/ds_l) of each pair: [P, 2], by autograd of the loss in the policy's log-probabilities."""
    with torch.enable_grad():
        policy_w, policy_l = (side.detach().requires_grad_(True) for side in (pairs.policy_w, pairs.policy_l))
        value = loss(replace(pairs, policy_w=policy_w, policy_l=policy_l)).sum()
        return torch.stack(torch.autograd.grad(value, (policy_w, policy_l)), dim=1)
