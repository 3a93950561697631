"""A weighted sum of losses, itself a loss."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from harness.methods.losses.batch import STATE
from harness.methods.losses.pairs import PairLogprobs, PairLoss


def weighted_sum(terms: Sequence[PairLoss], weights: Sequence[float]) -> PairLoss:
    """The sum of weight times loss; it needs what any of its terms needs.

    The running state is that of its running terms, one after the other.
    """
    running = [term for term in terms if term.update]

    def value(pairs: PairLogprobs) -> Tensor:
        states = iter(() if pairs.running is None else pairs.running.view(-1, STATE))
        parts = [
            weight * term.value(replace(pairs, running=next(states, None) if term.update else None))
            for term, weight in zip(terms, weights, strict=True)
        ]
        return torch.stack(parts).sum(0)

    def update(pairs: PairLogprobs, state: Tensor | None) -> Tensor:
        states = [None] * len(running) if state is None else state.view(-1, STATE)
        parts = zip(running, states, strict=True)
        return torch.cat([term.update(pairs, known) for term, known in parts if term.update])

    needs = frozenset[str]().union(*(term.needs for term in terms))
    return PairLoss(value, needs, update if running else None)
