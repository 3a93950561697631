"""Saves a model so that any tool loads it, and stops where its template ends a turn."""

from pathlib import Path
from typing import Any

from transformers import GenerationConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.models.chat import end_ids
from harness.models.quiet import quiet


def save_model(model: Any, tokenizer: Tokenizer, out: Path) -> None:
    """Write weights (safetensors), configs, tokenizer and chat template into a folder, made if needed."""
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=list(end_ids(tokenizer)),
        pad_token_id=tokenizer.pad_token_id,
    )
    with quiet():
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
