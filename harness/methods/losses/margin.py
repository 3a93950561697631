"""Losses that see a pair through the margin h of its log-ratios: all of them need the reference.

Their gradients are along g_w - g_l, whatever the pair; which way, and how far, depends on h (and on a
weight, for WPO).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.methods.losses.pairs import PairLogprobs


def dpo(pairs: PairLogprobs, beta: float) -> Tensor:
    """-log sigmoid(beta h) (Rafailov et al., arXiv 2305.18290, equation 7)."""
    return -F.logsigmoid(beta * pairs.margin)


def cdpo(pairs: PairLogprobs, beta: float, label_smoothing: float) -> Tensor:
    """-(1 - e) log sigmoid(beta h) - e log sigmoid(-beta h), e = label_smoothing.

    Conservative DPO: labels are wrong with probability e (Mitchell's note on the DPO loss with label
    noise; trl#1035). The least loss is at the finite margin log((1 - e) / e) / beta.
    """
    h = beta * pairs.margin
    return -(1 - label_smoothing) * F.logsigmoid(h) - label_smoothing * F.logsigmoid(-h)


def robust(pairs: PairLogprobs, beta: float, label_smoothing: float) -> Tensor:
    """(-(1 - e) log sigmoid(beta h) + e log sigmoid(-beta h)) / (1 - 2 e), e = label_smoothing < 1/2.

    An unbiased estimate of the DPO loss where labels are flipped with probability e (Chowdhury et al.,
    arXiv 2403.00409).
    """
    h = beta * pairs.margin
    kept, flipped = (1 - label_smoothing) * F.logsigmoid(h), label_smoothing * F.logsigmoid(-h)
    return (flipped - kept) / (1 - 2 * label_smoothing)


def hinge(pairs: PairLogprobs, beta: float) -> Tensor:
    """max(0, 1 - beta h) (Zhao et al., arXiv 2305.10425; with log-ratios, arXiv 2309.06657)."""
    return F.relu(1 - beta * pairs.margin)


def ipo_sum(pairs: PairLogprobs, beta: float) -> Tensor:
    """(h - 1 / (2 beta))^2 (Azar et al., arXiv 2310.12036, equation 17, with tau = beta).

    The equation as it stands, in sums over tokens; `length.ipo` divides by lengths.
    """
    return (pairs.margin - 1 / (2 * beta)).square()


def exo(pairs: PairLogprobs, beta: float, label_smoothing: float) -> Tensor:
    """KL((q, 1 - q) || (1 - e, e)), q = sigmoid(beta h), e = label_smoothing > 0.

    The reverse KL divergence from the policy's preference to the smoothed label (Ji et al., arXiv
    2402.00856, equation 16). Its gradient vanishes as beta h goes to minus infinity.
    """
    h = beta * pairs.margin
    chosen = F.logsigmoid(h) - math.log1p(-label_smoothing)
    rejected = F.logsigmoid(-h) - math.log(label_smoothing)
    return torch.sigmoid(h) * chosen + torch.sigmoid(-h) * rejected


def discopop(pairs: PairLogprobs, beta: float, tau: float) -> Tensor:
    """(1 - m) (-log sigmoid(beta h)) + m exp(-beta h), m = sigmoid(beta h / tau).

    The log-ratio modulated loss that a language model found (Lu et al., arXiv 2406.08414, equation 5). With
    tau = 0.05 it rises with h near h = 0, because m jumps there from the smaller term to the larger. The
    second term is taken in logarithms: it is finite for every h as long as tau <= 1.
    """
    h = beta * pairs.margin
    return torch.sigmoid(-h / tau) * -F.logsigmoid(h) + torch.exp(F.logsigmoid(h / tau) - h)


def wpo(pairs: PairLogprobs, beta: float) -> Tensor:
    """min(1, exp(c_w + c_l)) (-log sigmoid(beta h)), c = certainty, the weight detached.

    DPO in which a pair counts by how likely the policy itself is to write it (Zhou et al., arXiv 2406.11827,
    equation 2 with sampled alignment; wzhouad/WPO run_wpo.py). Needs the certainty.
    """
    assert pairs.certainty_w is not None, "WPO needs the certainty"
    assert pairs.certainty_l is not None, "WPO needs the certainty"
    weight = torch.exp(pairs.certainty_w + pairs.certainty_l).clamp(max=1)
    return weight.detach() * dpo(pairs, beta)
