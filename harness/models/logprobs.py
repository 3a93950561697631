"""Log-probabilities of given responses under a policy."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data.tokens import Encoded, TokenBatch, pad, response_logprobs, token_logprobs
from harness.models.batching import SIZE, Progress, batches
from harness.models.load import Policy


@torch.inference_mode()
def sequence_logprobs(policy: Policy, rows: Sequence[Encoded], batch_size: int = SIZE) -> NDArray[np.float32]:
    """The log-probability, in nats, of each row's response given its prompt: float32 [rows], in input order.

    An empty response has log-probability 0.
    """
    result = np.empty(len(rows), np.float32)
    for picked, batch, logits in _passes(policy, rows, batch_size, None):
        result[picked] = response_logprobs(logits, batch).cpu().numpy()
    return result


@torch.inference_mode()
def response_token_logprobs(
    policy: Policy, rows: Sequence[Encoded], progress: Progress | None = None
) -> list[NDArray[np.float32]]:
    """The log-probability, in nats, of each token of each row's response, in input order."""
    result: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(rows)
    for picked, batch, logits in _passes(policy, rows, SIZE, progress):
        values = token_logprobs(logits, batch).cpu().numpy()
        for index, row in zip(picked, values, strict=True):
            start = len(rows[index].prompt) - 1
            result[index] = row[start : start + len(rows[index].response)]
    return result


def _passes(
    policy: Policy, rows: Sequence[Encoded], batch_size: int, progress: Progress | None
) -> Iterator[tuple[Sequence[int], TokenBatch, Tensor]]:
    """(positions of some rows of like length, these rows padded, the model's logits for them)."""
    for picked in batches([len(row) for row in rows], batch_size, progress):
        batch = pad([rows[index] for index in picked], policy.tokenizer.pad_token_id).to(policy.device)
        logits = policy.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        yield picked, batch, logits
