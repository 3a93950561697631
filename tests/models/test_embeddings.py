"""Embeddings of prompts and responses against the plain way: one unpadded row at a time."""

import numpy as np
import pytest
import torch

from harness.data.rows import Prompt
from harness.data.tokens import Encoded
from harness.models.chat import encode, prompt_ids
from harness.models.embeddings import embed_prompts, embed_responses
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


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_a_response_is_the_mean_over_its_own_tokens_given_its_prompt(
    tiny_policy: Policy, batch_size: int
) -> None:
    rows = [encode(tiny_policy.tokenizer, prompt.text, "w9 w8", prompt.id != "a") for prompt in PROMPTS]
    result = embed_responses(tiny_policy, [*rows, Encoded((1, 7), ())], batch_size)
    assert result.shape == (4, 32)
    for found, row in zip(result, rows, strict=False):
        ids = torch.tensor([row.prompt + row.response])
        states = tiny_policy.model(ids, output_hidden_states=True).hidden_states[-1][0, len(row.prompt) :]
        np.testing.assert_allclose(found, states.mean(0).detach(), rtol=1e-4, atol=1e-5)
    assert not result[3].any(), "no tokens, no direction"
