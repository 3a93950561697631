"""From the log-probabilities of responses to those of pairs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.methods.losses import PairLogprobs


@dataclass(frozen=True, eq=False)
class ResponseScores:
    """The log-probability of each token of R responses, in nats: [R, T], 0 where `mask` [R, T] is False.

    `certainty` [R] is the mean over a response's tokens of log p(token) - log sum_v p(v)^2, without gradient,
    where it was asked for.
    """

    logprobs: Tensor
    mask: Tensor
    certainty: Tensor | None = None


@dataclass(frozen=True, eq=False)
class ReferenceScores:
    """The same of the reference: `sums` [R], and for losses that look at a part of a response every token's
    log-probability, response by response [N].
    """

    sums: Tensor
    tokens: Tensor | None = None


def pair_logprobs(
    scores: ResponseScores, reference: ReferenceScores, chosen: Tensor, rejected: Tensor
) -> PairLogprobs:
    """What a loss sees of P pairs.

    Args:
        scores: the policy's.
        reference: of the same responses.
        chosen: [P] positions of the chosen responses.
        rejected: [P] those of the rejected ones.
    """

    def sides(values: Tensor) -> tuple[Tensor, Tensor]:
        return values[chosen], values[rejected]

    certainty = (None, None) if scores.certainty is None else sides(scores.certainty)
    return PairLogprobs(
        *sides(scores.logprobs.sum(1)),
        *sides(reference.sums),
        *sides(scores.mask.sum(1)),
        common=_common(scores, reference.tokens, chosen, rejected),
        certainty_w=certainty[0],
        certainty_l=certainty[1],
    )


def _common(
    scores: ResponseScores, reference: Tensor | None, chosen: Tensor, rejected: Tensor
) -> PairLogprobs | None:
    """The sums over the first tokens of both responses, as many as the shorter one has."""
    if reference is None:
        return None
    mask = scores.mask
    tokens = torch.zeros_like(scores.logprobs).masked_scatter(mask, reference.to(scores.logprobs))
    number = mask.cumsum(1)
    length = torch.minimum(number[chosen, -1], number[rejected, -1])

    def part(values: Tensor, side: Tensor) -> Tensor:
        return (values[side] * (mask[side] & (number[side] <= length[:, None]))).sum(1)

    return PairLogprobs(
        part(scores.logprobs, chosen),
        part(scores.logprobs, rejected),
        part(tokens, chosen),
        part(tokens, rejected),
        length,
        length,
    )
