"""Embeddings of prompts and of responses, taken from the policy itself."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data.rows import Prompt
from harness.data.tokens import Encoded, TokenBatch, pad
from harness.models.batching import SIZE, Progress, batches
from harness.models.chat import prompt_ids
from harness.models.load import Policy


def embed_prompts(policy: Policy, prompts: Sequence[Prompt], batch_size: int = SIZE) -> NDArray[np.float32]:
    """Mean of the last hidden state over each rendered prompt's tokens: float32 [prompts, hidden]."""
    rows = [Encoded(prompt_ids(policy.tokenizer, prompt.turns), ()) for prompt in prompts]
    return _means(policy, rows, batch_size, lambda batch: batch.attention_mask)


def embed_responses(
    policy: Policy, rows: Sequence[Encoded], batch_size: int = SIZE, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Mean of the last hidden state over each row's response tokens: float32 [rows, hidden].

    A response without tokens has the row of zeros.
    """
    return _means(policy, rows, batch_size, lambda batch: batch.response_mask, progress)


@torch.inference_mode()
def _means(
    policy: Policy,
    rows: Sequence[Encoded],
    batch_size: int,
    over: Callable[[TokenBatch], Tensor],
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Mean of the last hidden state over the tokens that a mask [rows, length] names."""
    result = np.empty((len(rows), policy.model.config.hidden_size), np.float32)
    for picked in batches([len(row) for row in rows], batch_size, progress):
        batch = pad([rows[index] for index in picked], policy.tokenizer.pad_token_id).to(policy.device)
        backbone = policy.model.base_model
        states = backbone(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask
        ).last_hidden_state.float()
        mask = over(batch).unsqueeze(-1)
        result[picked] = ((states * mask).sum(1) / mask.sum(1).clamp(min=1)).cpu().numpy()
    return result
