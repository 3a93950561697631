"""What a loss sees of pairs, what a loss is, and what follows from it: gradients by linearity, and logs.

Each loss has the shape (pairs, its own hyper-parameters) -> loss [P]. What depends on a pair only through
its two log-probabilities has the gradient (dl/ds_w) g_w + (dl/ds_l) g_l, with g the gradient of a
log-probability.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PairLogprobs:
    """What a loss may see of P pairs: each [P], log-probabilities of whole responses in nats.

    `w` is the chosen response, `l` the rejected one; `len` counts the tokens of a response. The rest is there
    for the losses that need it: `common`, the same sums over the first min(len_w, len_l) tokens of both
    responses; `certainty`, the mean over a response's tokens of log p(token) - log sum_v p(v)^2 under the
    policy, detached; `running`, the state of a running loss, updated with this batch, detached. A loss that
    needs no reference never looks at `reference`.
    """

    policy_w: Tensor
    policy_l: Tensor
    reference_w: Tensor
    reference_l: Tensor
    len_w: Tensor
    len_l: Tensor
    common: PairLogprobs | None = None
    certainty_w: Tensor | None = None
    certainty_l: Tensor | None = None
    running: Tensor | None = None

    @property
    def ratio_w(self) -> Tensor:
        """[P] log-ratio of policy to reference of the chosen response."""
        return self.policy_w - self.reference_w

    @property
    def ratio_l(self) -> Tensor:
        """[P] log-ratio of policy to reference of the rejected response."""
        return self.policy_l - self.reference_l

    @property
    def margin(self) -> Tensor:
        """[P] log-ratio of the chosen response minus that of the rejected one."""
        return self.ratio_w - self.ratio_l

    @property
    def token_margin(self) -> Tensor:
        """[P] the margin of the log-ratios per token."""
        return per_token(self.ratio_w, self.len_w) - per_token(self.ratio_l, self.len_l)


Loss = Callable[[PairLogprobs], Tensor]
"""A loss with its hyper-parameters filled in: pairs -> [P]."""

Update = Callable[[PairLogprobs, Tensor | None], Tensor]
"""The state of a running loss after a batch, from the state before it (None: at the start)."""


@dataclass(frozen=True)
class PairLoss:
    """A loss with its hyper-parameters filled in, and what it must be given.

    `needs` names what matters besides the policy's log-probabilities and the lengths: "reference", "common",
    "certainty" and "running" must be there in `PairLogprobs`; with "batch" the value of a pair depends on the
    other pairs of the micro-batch. `update` makes the state of a "running" loss.
    """

    value: Loss
    needs: frozenset[str] = frozenset({"reference"})
    update: Update | None = None


@dataclass(frozen=True, eq=False)
class ImplicitRewards:
    """What logs say of P pairs, each [P] and detached, in nats and without a loss's beta.

    Without a reference they are the log-probabilities. `accuracy` is 1 where the chosen response has the
    higher one, else 0.
    """

    chosen: Tensor
    rejected: Tensor
    margin: Tensor
    accuracy: Tensor


def implicit_rewards(pairs: PairLogprobs) -> ImplicitRewards:
    """The log-ratios, which are DPO's implicit rewards over beta (arXiv 2305.18290, section 4)."""
    margin = pairs.margin.detach()
    return ImplicitRewards(pairs.ratio_w.detach(), pairs.ratio_l.detach(), margin, (margin > 0).to(margin))


def per_token(values: Tensor, lengths: Tensor) -> Tensor:
    """[P] values over lengths; a response without tokens has the value 0 and keeps it."""
    return values / lengths.clamp(min=1)


def pairs_of_responses(
    policy: Tensor, reference: Tensor, lengths: Tensor, chosen: Tensor, rejected: Tensor
) -> PairLogprobs:
    """Pairs of responses whose log-probabilities are known, for `coefficients`.

    Their certainty is not known: 0 makes every weight of WPO 1, which changes the length of a pair's
    gradient, not its direction.

    Args:
        policy: [n] log-probabilities of responses.
        reference: [n] the same under the reference.
        lengths: [n] tokens of each.
        chosen: [P] which of them is chosen.
        rejected: [P] which is rejected.
    """
    unknown = torch.zeros_like(policy[chosen])
    return PairLogprobs(
        policy_w=policy[chosen],
        policy_l=policy[rejected],
        reference_w=reference[chosen],
        reference_l=reference[rejected],
        len_w=lengths[chosen],
        len_l=lengths[rejected],
        certainty_w=unknown,
        certainty_l=unknown,
    )


def coefficients(loss: Loss, pairs: PairLogprobs) -> Tensor:
    """(dl/ds_w, dl/ds_l) of each pair: [P, 2], by autograd of the loss in the policy's log-probabilities.

    Losses that depend on the batch take the given pairs as theirs, and running ones start with it. A loss
    that needs the common length has no such coefficients: it also sees a part of each log-probability.
    """
    with torch.enable_grad():
        policy_w, policy_l = (side.detach().requires_grad_(True) for side in (pairs.policy_w, pairs.policy_l))
        value = loss(replace(pairs, policy_w=policy_w, policy_l=policy_l)).sum()
        # A response that the loss never looks at has the coefficient 0.
        found = torch.autograd.grad(value, (policy_w, policy_l), allow_unused=True, materialize_grads=True)
        return torch.stack(found, dim=1)
