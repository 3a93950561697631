"""Loads a causal language model from a folder, with or without an adapter."""

from collections.abc import Iterator
from contextlib import contextmanager
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
from harness.models.chat import end_ids
from harness.models.quiet import quiet
from harness.models.source import DTYPES, Source, code_options, resolve


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
    folder, source = resolve(base)
    hollow_model(folder, source.trust_remote_code)


def hollow_model(folder: Path, trust_remote_code: bool = False) -> PreTrainedModel:
    """A model without weights (on torch's meta device), from the config in its folder."""
    with _told(folder):
        config = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn what transformers says of a model that it cannot load into a sentence."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        if "custom code" in reason:
            reason = (
                "it brings code of its own, which is not run unasked. If you trust it, set "
                "model.trust_remote_code = true"
            )
        raise BadInput(f"{folder}: cannot be loaded: {reason}.") from error


def load_policy(
    base: Path,
    trained: Path | None = None,
    precision: torch.dtype | None = None,
    four_bits: bool = False,
) -> Policy:
    """Load a policy on the GPU where there is one, else on the CPU.

    An adapter is merged into the weights: sampling and scoring then run at the speed of the base model.
    The base model's own generation settings are dropped, so that sampling is what the caller asks for
    and nothing else; whoever generates stops where the chat template ends a turn.

    Args:
        base: folder of the base model and its tokenizer, or of a pointer to them (`models.source`).
        trained: folder of what a training made of it: an adapter, or a whole model in the base's place.
        precision: of the weights; None for that of sampling and scoring (`Source.dtype`).
        four_bits: quantise the linear layers (bitsandbytes, NF4), to train an adapter on them.

    Raises:
        BadInput: `base` holds no model, or none in safetensors, or points to one that is not here; or its
            tokenizer lacks an end-of-sequence token.
    """
    folder, source = resolve(base)
    tokenizer = _tokenizer(folder, source)
    whole = trained if trained is not None and (trained / "config.json").is_file() else None
    with quiet(), _told(folder):
        model = AutoModelForCausalLM.from_pretrained(
            whole or folder,
            use_safetensors=True,
            dtype=DTYPES[source.dtype] if precision is None else precision,
            attn_implementation=source.attention,
            **code_options(source),
            **(_four_bits(precision or torch.bfloat16) if four_bits else {}),
        )
        if trained is not None and whole is None:
            model = PeftModel.from_pretrained(model, trained).merge_and_unload()
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=list(end_ids(tokenizer)),
        pad_token_id=tokenizer.pad_token_id,
    )
    model.requires_grad_(False)
    if not four_bits:  # those are on the GPU already, and must not be moved
        model.to("cuda" if torch.cuda.is_available() else "cpu")
    return Policy(model.eval(), tokenizer)


def _four_bits(computed_in: torch.dtype) -> dict[str, Any]:
    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=computed_in
    )
    return {"quantization_config": config, "device_map": {"": torch.cuda.current_device()}}


def load_tokenizer(base: Path) -> Tokenizer:
    """Load a base model's tokenizer, with a token to pad with and the chat template that it is to have.

    Raises:
        BadInput: there is none, or it lacks an end-of-sequence token.
    """
    return _tokenizer(*resolve(base))


def _tokenizer(folder: Path, source: Source) -> Tokenizer:
    with quiet(), _told(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, **code_options(source))
    if tokenizer.eos_token_id is None:
        raise BadInput(f"{folder}: the tokenizer has no eos_token, so no response can end. Set one.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if source.template is not None:
        tokenizer.chat_template = source.template
    return tokenizer
