"""Models with random weights, and rows for them, for figures that depend on shapes alone."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig

from harness.data.tokens import Encoded
from harness.methods.feature_adapter import add_feature_adapter


@dataclass(frozen=True)
class Shape:
    """A Llama, and how many rows of up to `prompt` + `response` tokens it is run on, `batch` at a time."""

    hidden: int
    layers: int
    intermediate: int
    vocabulary: int
    rows: int
    batch: int
    heads: int = 4
    key_value_heads: int = 4
    prompt: int = 64
    response: int = 64


TINY = Shape(hidden=128, layers=4, intermediate=256, vocabulary=2000, rows=128, batch=32)
SMALL = Shape(
    hidden=512, layers=8, intermediate=2048, vocabulary=8000, rows=16, batch=8, heads=8, key_value_heads=8
)
"""About 40M parameters."""


def config_of(shape: Shape) -> LlamaConfig:
    """Of a Llama of that shape, with tied embeddings."""
    return LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        tie_word_embeddings=True,
    )


def random_model(
    shape: Shape, rank: int, b_std: float, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> nn.Module:
    """A frozen model with a LoRA adapter of B ~ N(0, b_std); 0 is a fresh adapter."""
    config = config_of(shape)
    torch.manual_seed(0)
    with warnings.catch_warnings(), torch.device(device):
        warnings.simplefilter("ignore", FutureWarning)
        base = AutoModelForCausalLM.from_config(config, dtype=dtype).requires_grad_(False)
    model = add_feature_adapter(base, rank, seed=0)
    disturb(model, b_std)
    return model.eval()


def disturb(model: nn.Module, b_std: float) -> None:
    """Draw every B factor from N(0, b_std), as if the adapter had been trained; 0 makes it fresh."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, b_std)


def random_rows(shape: Shape) -> list[Encoded]:
    """Prompts and responses of half to all of the shape's lengths."""
    rng = np.random.default_rng(0)

    def tokens(most: int) -> tuple[int, ...]:
        return tuple(rng.integers(0, shape.vocabulary, rng.integers(most // 2, most + 1)).tolist())

    return [Encoded(tokens(shape.prompt), tokens(shape.response)) for _ in range(shape.rows)]
