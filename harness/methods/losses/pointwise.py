"""Losses that hold each response against the reference by itself: all of them need the reference."""

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.methods.losses.margin import dpo
from harness.methods.losses.pairs import PairLogprobs


def apo_zero(pairs: PairLogprobs, beta: float) -> Tensor:
    """1 - sigmoid(beta r_w) + sigmoid(beta r_l), r a log-ratio (D'Oosterlinck et al., 2408.06266, eq. 7).

    Raises the chosen response and lowers the rejected one: for chosen ones better than the policy's own.
    """
    return torch.sigmoid(-beta * pairs.ratio_w) + torch.sigmoid(beta * pairs.ratio_l)


def apo_down(pairs: PairLogprobs, beta: float) -> Tensor:
    """sigmoid(beta r_w) + 1 - sigmoid(beta (r_w - r_l)) (D'Oosterlinck et al., arXiv 2408.06266, eq. 8).

    Lowers the chosen response, and the rejected one more: for a policy better than the chosen ones.
    """
    return torch.sigmoid(beta * pairs.ratio_w) + torch.sigmoid(-beta * pairs.margin)


def nca(pairs: PairLogprobs, beta: float) -> Tensor:
    """-log sigmoid(R_w) - 1/2 log sigmoid(-R_w) - 1/2 log sigmoid(-R_l), R = beta times the log-ratio.

    Noise-contrastive alignment with two responses (Chen et al., arXiv 2402.05369).
    """
    reward_w, reward_l = beta * pairs.ratio_w, beta * pairs.ratio_l
    return -F.logsigmoid(reward_w) - 0.5 * F.logsigmoid(-reward_w) - 0.5 * F.logsigmoid(-reward_l)


def sppo_hard(pairs: PairLogprobs, beta: float) -> Tensor:
    """(r_w - 1 / (2 beta))^2 + (r_l + 1 / (2 beta))^2 (Wu et al., arXiv 2405.00675, equation 4.7).

    Self-play with the win probabilities 1 and 0 in the place of estimated ones (uclaml/SPPO). Targets are in
    sums over tokens.
    """
    return _calibration(pairs, beta)


def cal_dpo(pairs: PairLogprobs, beta: float) -> Tensor:
    """-log sigmoid(r_w - r_l) + ((r_w - 1/(2 beta))^2 + (r_l + 1/(2 beta))^2) / 2, without beta in the first.

    Calibrates the scale of the implicit rewards (Xiao et al., arXiv 2412.14516;
    tengxiao1/Cal-DPO). The contrastive term has no beta, as in the authors' code.
    """
    return dpo(pairs, 1.0) + 0.5 * _calibration(pairs, beta)


def dpop(pairs: PairLogprobs, beta: float, penalty: float) -> Tensor:
    """-log sigmoid(beta (h - penalty max(0, -r_w))) (Pal et al., arXiv 2402.13228).

    DPO-Positive: h counts less where the chosen response has lost probability.
    """
    return -F.logsigmoid(beta * (pairs.margin - penalty * F.relu(-pairs.ratio_w)))


def bpo_margin(pairs: PairLogprobs, beta: float, alpha: float) -> Tensor:
    """max(0, 1 - beta min(r_w, -alpha r_l)) (Sun et al., arXiv 2506.03557; sunlin-ai/BPO train_dpo.py).

    The balanced reward margin: only the response that is worse off is moved. This is the hinge form, which
    the paper finds best. At the reference both are equal, and the gradient is the mean of theirs.
    """
    return F.relu(1 - beta * torch.minimum(pairs.ratio_w, -alpha * pairs.ratio_l))


def _calibration(pairs: PairLogprobs, beta: float) -> Tensor:
    """Squared distances of the log-ratios from plus and minus 1 / (2 beta)."""
    target = 1 / (2 * beta)
    return (pairs.ratio_w - target).square() + (pairs.ratio_l + target).square()
