"""Prompt embeddings against the plain way: one unpadded prompt at a time."""

import numpy as np
import pytest
import torch

from harness.data.rows import Prompt
from harness.models.chat import prompt_ids
from harness.models.embeddings import embed_prompts
from harness.models.load import Policy

PROMPTS = [Prompt("a", "w1 w2"), Prompt("b", "w3 w4 w5 w6 w7"), Prompt("c", "w1")]


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_the_embedding_is_the_mean_over_the_prompts_own_tokens(tiny_policy: Policy, batch_size: int) -> None:
    result = embed_prompts(tiny_policy, PROMPTS, batch_size)
    assert result.shape == (3, 32)
    assert result.dtype == np.float32
    for row, prompt in zip(result, PROMPTS, strict=True):
        ids = torch.tensor([prompt_ids(tiny_policy.tokenizer, prompt.text)])
        states = tiny_policy.model(ids, output_hidden_states=True).hidden_states[-1]
        np.testing.assert_allclose(row, states[0].mean(0).detach(), rtol=1e-4, atol=1e-5)
