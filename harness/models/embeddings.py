"""Prompt embeddings taken from the policy itself."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from harness.data.rows import Prompt
from harness.data.tokens import Encoded, pad
from harness.models.batching import batches
from harness.models.chat import prompt_ids
from harness.models.load import Policy


@torch.inference_mode()
def embed_prompts(policy: Policy, prompts: Sequence[Prompt], batch_size: int = 64) -> NDArray[np.float32]:
    """Mean of the last hidden state over each rendered prompt's tokens: float32 [prompts, hidden]."""
    rows = [Encoded(prompt_ids(policy.tokenizer, prompt.text), ()) for prompt in prompts]
    result = np.empty((len(rows), policy.model.config.hidden_size), np.float32)
    for picked in batches([len(row) for row in rows], batch_size):
        batch = pad([rows[index] for index in picked], policy.tokenizer.pad_token_id).to(policy.device)
        backbone = policy.model.base_model
        states = backbone(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
        mask = batch.attention_mask.unsqueeze(-1)
        result[picked] = ((states * mask).sum(1) / mask.sum(1)).cpu().numpy()
    return result
