"""A tiny random reward model over the words of the tiny policy."""

from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

from harness.models.quiet import quiet


def make_classifier(folder: Path, tiny_base: Path, labels: int = 1, pad: int | None = 0) -> Path:
    """A random classifier with the tiny model's tokenizer; a `pad` of None configures none."""
    config = LlamaConfig(
        vocab_size=60, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, initializer_range=0.3, pad_token_id=pad, num_labels=labels,
    )  # fmt: skip
    torch.manual_seed(0)
    with quiet():
        LlamaForSequenceClassification(config).save_pretrained(folder)
        AutoTokenizer.from_pretrained(tiny_base).save_pretrained(folder)
    return folder
