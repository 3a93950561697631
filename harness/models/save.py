"""Saves a whole model so that any tool loads it."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.models.quiet import quiet


def save_model(model: Any, tokenizer: Tokenizer, out: Path) -> None:
    """Write weights (safetensors), configs, tokenizer and chat template into a folder, made if needed."""
    with quiet():
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
