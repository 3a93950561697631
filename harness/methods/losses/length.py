"""Losses that look at the lengths of responses: log-ratios per token, or a correction for length."""

import torch.nn.functional as F
from torch import Tensor

from harness.methods.losses.pairs import PairLogprobs, per_token


def ipo(pairs: PairLogprobs, beta: float) -> Tensor:
    """(h - 1 / (2 beta))^2, h the margin of log-ratios per token (Azar et al., arXiv 2310.12036, eq. 17).

    In sums over tokens the target 1 / (2 beta) would mean something else for responses of each length, so
    trainers divide by it. A response without tokens has the log-ratio 0. Needs the reference.
    """
    return (pairs.token_margin - 1 / (2 * beta)).square()


def ln_dpo(pairs: PairLogprobs, beta: float) -> Tensor:
    """-log sigmoid(beta h), h the margin of log-ratios per token (Tulu 3, arXiv 2411.15124).

    open-instruct calls it `dpo_norm`. Needs the reference.
    """
    return -F.logsigmoid(beta * pairs.token_margin)


def simpo(pairs: PairLogprobs, beta: float, gamma: float) -> Tensor:
    """-log sigmoid(beta (log p_w / |w| - log p_l / |l|) - gamma) (Meng et al., arXiv 2405.14734).

    p is the policy's probability, gamma the target margin. Needs no reference.
    """
    means = per_token(pairs.policy_w, pairs.len_w) - per_token(pairs.policy_l, pairs.len_l)
    return -F.logsigmoid(beta * means - gamma)


def r_dpo(pairs: PairLogprobs, beta: float, alpha: float) -> Tensor:
    """-log sigmoid(beta h + alpha (|w| - |l|)) (Park et al., arXiv 2403.19159).

    A reward of r - alpha |y| has the optimal policy with beta h = r_w - r_l - alpha (|w| - |l|): what
    length explains of a preference need not be learnt. Some codes write minus. Needs the reference.
    """
    return -F.logsigmoid(beta * pairs.margin + alpha * (pairs.len_w - pairs.len_l))


def ld_dpo(pairs: PairLogprobs, beta: float, alpha: float) -> Tensor:
    """-log sigmoid(beta h), tokens past the shorter response's length weighted by alpha.

    h is made of alpha times the whole log-ratio plus 1 - alpha times that of the common length (Liu et al.,
    arXiv 2409.06411). Needs the reference, and the common length.
    """
    assert pairs.common is not None, "LD-DPO needs the common length"
    return -F.logsigmoid(beta * (alpha * pairs.margin + (1 - alpha) * pairs.common.margin))
