"""Log-probabilities of given responses under a policy."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from harness.data.tokens import Encoded, pad, token_logprobs
from harness.models.batching import Progress, batches
from harness.models.load import Policy


def sequence_logprobs(
    policy: Policy, rows: Sequence[Encoded], batch_size: int = 64, progress: Progress | None = None
) -> NDArray[np.float32]:
    """The log-probability, in nats, of each row's response given its prompt: float32 [rows], in input order.

    An empty response has log-probability 0.
    """
    tokens = row_token_logprobs(policy, rows, batch_size, progress)
    return np.array([row.sum() for row in tokens], np.float32)


@torch.inference_mode()
def row_token_logprobs(
    policy: Policy, rows: Sequence[Encoded], batch_size: int = 64, progress: Progress | None = None
) -> list[NDArray[np.float32]]:
    """The log-probability, in nats, of each token of each row's response: fp32 [tokens], in input order."""
    result: dict[int, NDArray[np.float32]] = {}
    for picked in batches([len(row) for row in rows], batch_size, progress):
        batch = pad([rows[index] for index in picked], policy.tokenizer.pad_token_id).to(policy.device)
        logits = policy.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        tokens = token_logprobs(logits, batch).cpu().numpy()
        for index, row in zip(picked, tokens, strict=True):
            first = len(rows[index].prompt) - 1
            result[index] = row[first : first + len(rows[index].response)]
    return [result[index] for index in range(len(rows))]
