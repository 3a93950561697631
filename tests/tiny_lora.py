"""Tiny random models with LoRA, rows for them, and plain autograd as the yardstick of captured gradients."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from harness.data.tokens import Encoded, pad, response_logprobs
from harness.methods.feature_adapter import add_feature_adapter

SHAPE: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
GROUPED = SHAPE | {"num_key_value_heads": 2}

# GPT-2's layers are Conv1D and it has dropout; OPT's feed-forward layers have flattened rows and positions;
# Phi-3 and GPT-NeoX fuse projections; Mistral and Gemma 2 look back 4 positions only.
CONFIGS: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**GROUPED, tie_word_embeddings=True),
    "qwen2": Qwen2Config(**GROUPED),
    "qwen3": Qwen3Config(**GROUPED, head_dim=8),
    "gemma2": Gemma2Config(**GROUPED, head_dim=8, query_pre_attn_scalar=8, sliding_window=4),
    "mistral": MistralConfig(**GROUPED, sliding_window=4),
    "phi3": Phi3Config(**GROUPED, pad_token_id=0, resid_pdrop=0.1),
    "gpt2": GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=64),
    "gpt_neox": GPTNeoXConfig(**SHAPE, attention_dropout=0.1, hidden_dropout=0.1),
    "opt": OPTConfig(
        vocab_size=50,
        hidden_size=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        word_embed_proj_dim=32,
        layerdrop=0.5,
    ),
}
MODELS = tuple(CONFIGS)


def tiny_model(architecture: str) -> nn.Module:
    """Two layers of width 32 with random weights, in training mode, as transformers makes it."""
    torch.manual_seed(0)
    model: nn.Module = AutoModelForCausalLM.from_config(CONFIGS[architecture])
    return model.train()


def tiny_llama() -> nn.Module:
    return tiny_model("llama")


def adapted(architecture: str, b_std: float, rank: int = 4, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A tiny model with LoRA on all linear layers and B ~ N(0, b_std); b_std = 0 is a fresh adapter."""
    model = add_feature_adapter(tiny_model(architecture).to(dtype), rank, seed=0)
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name and b_std > 0:
                weight.normal_(0, b_std, generator=noise)
    return model


def random_rows(count: int, seed: int = 0) -> list[Encoded]:
    """Prompts of 2 to 8 tokens, responses of 1 to 12; neighbours share a prompt."""
    rng = np.random.default_rng(seed)
    prompts = [tuple(rng.integers(2, 50, rng.integers(2, 9)).tolist()) for _ in range(count // 4 + 1)]
    return [
        Encoded(prompts[at // 4], tuple(rng.integers(2, 50, rng.integers(1, 13)).tolist()))
        for at in range(count)
    ]


def logprob(model: nn.Module, row: Encoded) -> Tensor:
    """The log pi(response | prompt) of one row, alone and without padding."""
    batch = pad([row], pad_id=0)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
    return response_logprobs(logits, batch)[0]


def plain_gradient(model: nn.Module, value: Tensor) -> dict[str, Tensor]:
    """The gradient of `value` by every trainable parameter, by autograd."""
    named = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    gradients = torch.autograd.grad(value, list(named.values()), allow_unused=True)
    return {
        name: torch.zeros_like(named[name]) if gradient is None else gradient
        for name, gradient in zip(named, gradients, strict=True)
    }
