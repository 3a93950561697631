"""Loads a causal language model from a folder, with or without an adapter."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedModel,
)
from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.errors import BadInput
from harness.models.quiet import quiet


@dataclass(frozen=True)
class Policy:
    """A causal language model in evaluation mode and the tokenizer that belongs to it."""

    model: PreTrainedModel
    tokenizer: Tokenizer

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        device: torch.device = self.model.device
        return device


def import_architecture(base: Path) -> None:
    """Load the code of a model's architecture, which transformers imports only when a model is made."""
    config = AutoConfig.from_pretrained(base, local_files_only=True)
    with torch.device("meta"):
        AutoModelForCausalLM.from_config(config)


def load_policy(
    base: Path,
    trained: Path | None = None,
    precision: torch.dtype = torch.float32,
    four_bits: bool = False,
) -> Policy:
    """Load a policy on the GPU where there is one, else on the CPU.

    An adapter is merged into the weights: sampling and scoring then run at the speed of the base model.
    The base model's own generation settings are dropped, so that sampling is what the caller asks for
    and nothing else.

    Args:
        base: folder of the base model and its tokenizer.
        trained: folder of what a training made of it: an adapter, or a whole model in the base's place.
        precision: of the weights.
        four_bits: quantise the linear layers (bitsandbytes, NF4), to train an adapter on them.

    Raises:
        BadInput: `base` holds no model, or its tokenizer lacks an end-of-sequence token.
    """
    if not (base / "config.json").is_file():
        raise BadInput(f"{base}: holds no model (no config.json). Give the folder of a saved causal LM.")
    tokenizer = load_tokenizer(base)
    whole = trained if trained is not None and (trained / "config.json").is_file() else None
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(
            whole or base, local_files_only=True, dtype=precision, **(_four_bits() if four_bits else {})
        )
        if trained is not None and whole is None:
            model = PeftModel.from_pretrained(model, trained).merge_and_unload()
    model.generation_config = GenerationConfig()
    model.requires_grad_(False)
    if not four_bits:  # those are on the GPU already, and must not be moved
        model.to("cuda" if torch.cuda.is_available() else "cpu")
    return Policy(model.eval(), tokenizer)


def _four_bits() -> dict[str, Any]:
    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )
    return {"quantization_config": config, "device_map": {"": 0}}


def load_tokenizer(base: Path) -> Tokenizer:
    """Load a model's tokenizer, with a token to pad with.

    Raises:
        BadInput: it lacks an end-of-sequence token.
    """
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    if tokenizer.eos_token_id is None:
        raise BadInput(f"{base}: the tokenizer has no eos_token, so no response can end. Set one.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
