"""A preference step the plain way: two rows for every pair, padded together, as trainers of pairs have it.

The yardstick of the grouped step. The head is applied only where response tokens are predicted; that TRL
applies it everywhere would make the yardstick slower, and is not what grouping saves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.random_base import response_pairs
from benchmarks.shapes import Shape
from harness.data.tokens import Encoded, TokenBatch, pad

RowPair = tuple[Encoded, Encoded]
"""The chosen and the rejected row."""


def prompt_pairs(shape: Shape, responses: int, pairs: int, seed: int = 0) -> list[RowPair]:
    """Pairs of one prompt that use all its responses.

    Every row has all of the shape's tokens, so that how many tokens each way reads is plain arithmetic.
    """
    draw = np.random.default_rng(seed)
    prompt, *texts = (
        tuple(draw.integers(0, shape.vocabulary, length).tolist())
        for length in (shape.prompt, *[shape.response] * responses)
    )
    rows = [Encoded(prompt, text) for text in texts]
    return [(rows[chosen], rows[rejected]) for chosen, rejected in response_pairs(responses, pairs)]


def pair_by_pair_loss(
    model: Any, pairs: Sequence[RowPair], reference: Mapping[Encoded, float], beta: float
) -> Tensor:
    """The mean DPO loss of all pairs, from one forward pass over 2 rows for each."""
    rows = [row for pair in pairs for row in pair]
    policy = scored(model, pad(rows, pad_id=0).to(model.device))
    ratios = policy - torch.tensor([reference[row] for row in rows], device=policy.device)
    margins = ratios[0::2] - ratios[1::2]
    return -F.logsigmoid(beta * margins).mean()


def scored(model: Any, batch: TokenBatch) -> Tensor:
    """[rows] log-probabilities of the responses under a peft model."""
    base = model.get_base_model()
    hidden = base.model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
    ).last_hidden_state
    row, position = batch.response_mask[:, 1:].nonzero(as_tuple=True)
    logits = base.lm_head(hidden[row, position]).float()
    logprobs = -F.cross_entropy(logits, batch.input_ids[row, position + 1], reduction="none")
    return torch.zeros(len(batch.input_ids), device=logits.device).index_add(0, row, logprobs)
