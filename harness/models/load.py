"""Loads a causal language model from a folder, with or without an adapter."""

from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel
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


def load_policy(base: Path, adapter: Path | None = None) -> Policy:
    """Load a policy in fp32 on the GPU where there is one, else on the CPU.

    An adapter is merged into the weights: sampling and scoring then run at the speed of the base model.
    The base model's own generation settings are dropped, so that sampling is what the caller asks for
    and nothing else.

    Raises:
        BadInput: `base` holds no model, or its tokenizer lacks an end-of-sequence token.
    """
    if not (base / "config.json").is_file():
        raise BadInput(f"{base}: holds no model (no config.json). Give the folder of a saved causal LM.")
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(base, local_files_only=True, dtype=torch.float32)
        if adapter is not None:
            model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    if tokenizer.eos_token_id is None:
        raise BadInput(f"{base}: the tokenizer has no eos_token, so no response can end. Set one.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.generation_config = GenerationConfig()
    model.requires_grad_(False)
    return Policy(model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer)
