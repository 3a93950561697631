"""Losses with a term of the policy's own likelihood of the chosen response, always per token.

TRL and others pool the tokens of a batch instead, so that long responses count more.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.methods.losses.margin import dpo
from harness.methods.losses.pairs import PairLogprobs, per_token

LARGEST_MEAN = -1e-6
"""In nats a token: nearer to 0 the odds p / (1 - p) of a response are infinite to rounding."""


def nll(pairs: PairLogprobs) -> Tensor:
    """-log p_w / |w|: the negative log-likelihood of the chosen response per token."""
    return -per_token(pairs.policy_w, pairs.len_w)


def orpo(pairs: PairLogprobs, beta: float) -> Tensor:
    """NLL_w - beta log sigmoid(log odds_w - log odds_l), odds = p / (1 - p), log p = log-probability a token.

    Odds-ratio preference optimisation (Hong et al., arXiv 2403.07691, equations 4 and 7, their lambda).
    Needs no reference.
    """
    odds = _log_odds(pairs.policy_w, pairs.len_w) - _log_odds(pairs.policy_l, pairs.len_l)
    return nll(pairs) - beta * F.logsigmoid(odds)


def cpo(pairs: PairLogprobs, beta: float, alpha: float) -> Tensor:
    """-log sigmoid(beta (log p_w - log p_l)) + alpha NLL_w (Xu et al., arXiv 2401.08417, equation 3).

    Needs no reference.
    """
    return -F.logsigmoid(beta * (pairs.policy_w - pairs.policy_l)) + alpha * nll(pairs)


def dpo_sft(pairs: PairLogprobs, beta: float, alpha: float) -> Tensor:
    """-log sigmoid(beta h) + alpha NLL_w (Pang et al., iterative RPO, arXiv 2404.19733).

    Needs the reference.
    """
    return dpo(pairs, beta) + alpha * nll(pairs)


def _log_odds(logprobs: Tensor, lengths: Tensor) -> Tensor:
    mean = per_token(logprobs, lengths).clamp(max=LARGEST_MEAN)
    return mean - torch.log(-torch.expm1(mean))
