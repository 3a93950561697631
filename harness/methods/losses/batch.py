"""Losses in which a pair's value depends on the other pairs of its batch: all need the reference.

So the size of a micro-batch is a hyper-parameter of theirs. The running ones also keep a state over batches:
a vector of `STATE` numbers. Where they are given none, they start with the batch at hand.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.methods.losses.pairs import PairLogprobs, Update, per_token

STATE = 2
"""How many numbers every running loss keeps."""

MOMENTUM = 0.9
"""Of the moving averages of beta-DPO and alpha-DPO (both authors' codes)."""

SMALLEST_SPREAD = 1e-3
"""In nats a token. Below it, as at the start of training, a spread is rounding and must not be blown up."""

SMALLEST_BETA = 1e-3
"""Of beta-DPO (the authors' code): with beta below 0 the loss would prefer the rejected response."""


def kto(pairs: PairLogprobs, beta: float, desirable_weight: float, undesirable_weight: float) -> Tensor:
    """Desirable (1 - sigmoid(beta (r_w - z_l))) + undesirable (1 - sigmoid(beta (z_w - r_l))).

    r is a log-ratio, z the mean log-ratio of the batch's chosen (w) or rejected (l) responses, at least 0 and
    detached. The paired form of Kahneman-Tversky optimisation (Ethayarajh et al., arXiv 2402.01306, equation
    7): the reference point of one half of the batch is estimated on the other half, as in TRL's former
    `kto_pair`.
    """
    z_w, z_l = (ratio.detach().mean().clamp(min=0) for ratio in (pairs.ratio_w, pairs.ratio_l))
    desirable = torch.sigmoid(-beta * (pairs.ratio_w - z_l))
    undesirable = torch.sigmoid(-beta * (z_w - pairs.ratio_l))
    return desirable_weight * desirable + undesirable_weight * undesirable


def aot(pairs: PairLogprobs, beta: float) -> Tensor:
    """-log sigmoid(beta (sorted (log p_w - log p_l) - sorted the same of the reference)).

    Distributional alignment by optimal transport, paired (Melnyk et al., arXiv 2406.05882): the
    policy's k-th smallest preference against the reference's. The value stands at the pair of the former.
    """
    policy, reference = pairs.policy_w - pairs.policy_l, pairs.reference_w - pairs.reference_l
    return -F.logsigmoid(beta * (policy - _of_equal_rank(policy, reference)))


def aot_unpaired(pairs: PairLogprobs, beta: float) -> Tensor:
    """-log sigmoid(beta (sorted r_w - sorted r_l)), r a log-ratio (Melnyk et al., arXiv 2406.05882).

    The k-th smallest chosen log-ratio against the k-th smallest rejected one. The value stands at the pair of
    the former.
    """
    return -F.logsigmoid(beta * (pairs.ratio_w - _of_equal_rank(pairs.ratio_w, pairs.ratio_l)))


def bco(pairs: PairLogprobs, beta: float) -> Tensor:
    """-log sigmoid(beta (r_w - d)) - log sigmoid(-beta (r_l - d)), d the mean log-ratio so far.

    Binary classifier optimisation (Jung et al., arXiv 2404.04656); the reward shift d is the mean of all
    log-ratios seen, each weighing the same, and has no gradient. In TRL's former `bco_pair` each batch
    weighed the same. Running state: d, and how many log-ratios it is the mean of.
    """
    shift, _ = _state(pairs, bco_update)
    return -F.logsigmoid(beta * (pairs.ratio_w - shift)) - F.logsigmoid(-beta * (pairs.ratio_l - shift))


def bco_update(pairs: PairLogprobs, state: Tensor | None) -> Tensor:
    """(mean, count) of the log-ratios of all responses so far, with these."""
    ratios = torch.cat((pairs.ratio_w, pairs.ratio_l)).detach()
    mean, count = ratios.new_zeros(STATE) if state is None else state
    total = count + len(ratios)
    return torch.stack((mean + (ratios.mean() - mean) * len(ratios) / total, total))


def beta_dpo(pairs: PairLogprobs, beta: float, alpha: float, filtered: float) -> Tensor:
    """-log sigmoid(b h), b = beta (1 + alpha (mean h - M)) for the whole batch, some pairs left out.

    DPO with a dynamic beta (Wu et al., arXiv 2407.08639; junkangwu/beta-DPO trainers.py).
    M is a moving average of h, the margin without beta. The authors draw a share 1 - filtered of the batch
    without replacement, with weights exp(-((h - M) / S)^2 / 2). Here the pairs with the largest weights are
    kept: no draw, and no S, which does not change their order. They count as the batch does: others have the
    value 0, they P / kept times theirs. b is at least 0.001. Running state: M and S.
    """
    margin, (centre, _) = pairs.margin.detach(), _state(pairs, margin_update)
    distance = (margin - centre).abs()
    kept = max(1, int(len(margin) * (1 - filtered)))
    mask = (distance <= distance.kthvalue(kept).values).to(margin)
    mean = (margin * mask).sum() / mask.sum()
    dynamic = (beta * (1 + alpha * (mean - centre))).clamp(min=SMALLEST_BETA)
    weights: Tensor = mask * len(margin) / mask.sum()
    return weights * -F.logsigmoid(dynamic * pairs.margin)


def alpha_dpo(pairs: PairLogprobs, beta: float, gamma: float, alpha: float) -> Tensor:
    """-log sigmoid(beta (log p_w / |w| - log p_l / |l|) - gamma - beta alpha (h - M) / S), the last detached.

    SimPO whose target margin grows with how far the policy has moved a pair (Wu et al., arXiv 2410.10148;
    junkangwu/alpha-DPO). h is the margin of log-ratios per token, M and S moving averages of its
    mean and spread in a batch. Running state: M and S.
    """
    means = per_token(pairs.policy_w, pairs.len_w) - per_token(pairs.policy_l, pairs.len_l)
    centre, spread = _state(pairs, token_margin_update)
    moved = (pairs.token_margin.detach() - centre) / spread.clamp(min=SMALLEST_SPREAD)
    return -F.logsigmoid(beta * (means - alpha * moved) - gamma)


def margin_update(pairs: PairLogprobs, state: Tensor | None) -> Tensor:
    """Moving averages of the mean and the spread of a batch's margins; the first batch sets them.

    The authors' start at 0.
    """
    return _moving_average(pairs.margin, state)


def token_margin_update(pairs: PairLogprobs, state: Tensor | None) -> Tensor:
    """The same of the margins of log-ratios per token."""
    return _moving_average(pairs.token_margin, state)


def _moving_average(values: Tensor, state: Tensor | None) -> Tensor:
    now = torch.stack((values.detach().mean(), values.detach().std(correction=0)))
    return now if state is None else MOMENTUM * state + (1 - MOMENTUM) * now


def _state(pairs: PairLogprobs, update: Update) -> Tensor:
    return update(pairs, None) if pairs.running is None else pairs.running


def _of_equal_rank(values: Tensor, others: Tensor) -> Tensor:
    """[P] for each of `values`, the one of `others` that has the same rank; gradients flow through it."""
    rank = values.detach().argsort(stable=True).argsort()
    found: Tensor = others.sort().values[rank]
    return found
