"""Which way of sharing a prompt is exact for a model: tried on rows of the data, not known from a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.data.tokens import pad, token_logprobs
from harness.errors import HarnessError
from harness.training.grouped import Prefix, PromptGroup
from harness.training.prefix import response_scores

PAYS = 1.15
"""Sharing is tried where rows would run at least so many times the tokens through the model."""


@dataclass(frozen=True)
class Tolerance:
    """How far two ways of computing the same thing may differ by rounding.

    `logprob`: one token's log-probability, in nats, for each nat of its size (at least 1). `gradient`: the
    length of the difference over the gradient's.
    """

    logprob: float
    gradient: float


TOLERANCES = {"fp32": Tolerance(1e-4, 1e-3), "bf16": Tolerance(0.1, 0.1), "fp16": Tolerance(0.1, 0.1)}


def candidate_prefixes(groups: Sequence[PromptGroup], checkpointing: bool) -> tuple[Prefix, ...]:
    """The ways of sharing that are worth a try, the cheapest first.

    None where rows run hardly more tokens, as with two short responses to a prompt. Under activation
    checkpointing transformers switches a cache off.
    """
    rows, shared = (sum(group.tokens(each) for group in groups) for each in (False, True))
    if rows < PAYS * shared:
        return ()
    return ("packed",) if checkpointing else ("packed", "cache")


def exact_prefix(
    model: Any,
    groups: Sequence[PromptGroup],
    pad_id: int,
    tolerance: Tolerance,
    candidates: Sequence[Prefix] = ("packed", "cache"),
) -> Prefix:
    """The first of the candidates that is exact for this model on these prompts, else "rows".

    The shortest and the longest prompt together, with two responses each: every token's log-probability and
    the gradient of a weighted sum of them must be those of plain rows with the model's own logits. Then the
    shortest alone, as models take other ways where nothing is padded: the same log-probabilities again.

    Raises:
        HarnessError: not even unique rows are.
    """
    trial = _trial(groups)
    plain = _plain(model, trial, pad_id)
    for prefix in (*candidates, "rows"):
        if _agrees(model, trial, prefix, pad_id, plain, tolerance):
            return prefix
    raise HarnessError(
        "training.batching: scoring the responses' positions alone gives other log-probabilities than this "
        "model's own logits. Use batching = 'pairs'."
    )


def _trial(groups: Sequence[PromptGroup]) -> list[PromptGroup]:
    """The shortest and the longest that have anything to predict; one where there is but one."""
    some = (_two(group) for group in groups if any(group.responses))
    ordered = sorted(some, key=lambda group: len(group.prompt) + max(map(len, group.responses)))
    return list(dict.fromkeys((ordered[0], ordered[-1])))


def _two(group: PromptGroup) -> PromptGroup:
    """The same prompt with its longest response behind the shortest of which it could see anything."""
    ordered = sorted(group.responses, key=len)
    other = next((response for response in ordered if len(response) > 1), ordered[0])
    return PromptGroup(group.prompt, tuple(dict.fromkeys((other, ordered[-1]))), (), (), ())


def _agrees(
    model: Any,
    groups: Sequence[PromptGroup],
    prefix: Prefix,
    pad_id: int,
    expected: tuple[Tensor, Tensor],
    tolerance: Tolerance,
) -> bool:
    try:
        values = _values(model, groups, prefix, pad_id)
        gradient = _gradient(model, values)
        alone = _values(model, groups[:1], prefix, pad_id)
    except Exception:  # a model may refuse a cache, a mask or positions in any way it likes
        return False
    apart = torch.linalg.vector_norm(gradient - expected[1])
    return (
        _error(values, expected[0]) <= tolerance.logprob
        and _error(alone, expected[0][: len(alone)]) <= tolerance.logprob
        and bool(apart <= tolerance.gradient * torch.linalg.vector_norm(expected[1]))
    )


def _values(model: Any, groups: Sequence[PromptGroup], prefix: Prefix, pad_id: int) -> Tensor:
    """The log-probability of every response token."""
    scores = response_scores(model, groups, prefix, pad_id)
    return scores.logprobs[scores.mask]


def _error(values: Tensor, expected: Tensor) -> float:
    return float(((values.detach() - expected).abs() / expected.abs().clamp(min=1)).max())


def _plain(model: Any, groups: Sequence[PromptGroup], pad_id: int) -> tuple[Tensor, Tensor]:
    """(log-probability of every response token, gradient of their weighted sum)."""
    device = next(model.parameters()).device
    batch = pad([row for group in groups for row in group.rows], pad_id).to(device)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
    values = token_logprobs(logits, batch)[batch.response_mask[:, 1:]]
    return values.detach(), _gradient(model, values)


def _gradient(model: Any, values: Tensor) -> Tensor:
    """By the trained weights; the signs 1, -1, 1, ... keep tokens from cancelling each other's errors.

    Where all weights are trained, by those of norms and biases: they lie in every layer, and copies of the
    gradient by a large model's matrices fit no GPU.
    """
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    trained = [weight for weight in trained if weight.ndim == 1] or trained
    signs = 1 - 2 * (torch.arange(len(values), device=values.device) % 2)
    parts = torch.autograd.grad((values * signs).sum(), trained, allow_unused=True, materialize_grads=True)
    return torch.cat([part.flatten().float() for part in parts])
