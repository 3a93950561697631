"""The LoRA adapter that gradients are taken with: a fresh one, or one that has had a warm-up."""

import re
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from harness.errors import BadInput

# What peft 0.21 says of its own dealings: it reads a name that transformers renamed, and it notes that
# GPT-2's layers store the transposed weight before it does the right thing.
PEFT_NOISE = ("`is_gradient_checkpointing` is deprecated", "fan_in_fan_out is set to False")

LAYER = re.compile(r"\.(\d+)\.")


def add_feature_adapter(model: nn.Module, rank: int, seed: int) -> nn.Module:
    """Put a fresh LoRA adapter on all linear layers, to take gradients with; `model` is changed in place.

    B = 0, so the model's outputs stay as they are, and only the B factors have a gradient. The seed draws A,
    and so belongs to what the features depend on: between two seeds the cosines of pair features correlate by
    0.94 at rank 8, 0.98 at rank 32. Adapters used for features need not be those trained later.
    """
    config = LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules="all-linear")
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices), warnings.catch_warnings():
        for noise in PEFT_NOISE:
            warnings.filterwarnings("ignore", message=noise)
        torch.manual_seed(seed)
        adapted: nn.Module = get_peft_model(model, config)
    return adapted


def load_feature_adapter(model: nn.Module, folder: Path) -> nn.Module:
    """Put a trained LoRA adapter on a model, its factors open to gradients."""
    with warnings.catch_warnings():
        for noise in PEFT_NOISE:
            warnings.filterwarnings("ignore", message=noise)
        adapted: nn.Module = PeftModel.from_pretrained(model, folder, is_trainable=True)
    return adapted


def keep_last_layers(model: nn.Module, count: int) -> None:
    """Close the LoRA factors to gradients in all but the last `count` layers of the model.

    The layer is the first number in a parameter's name. What comes before the first open layer is not even
    passed by a backward pass.

    Raises:
        BadInput: the model has fewer layers.
    """
    layers = {name: _layer(name) for name, weight in model.named_parameters() if weight.requires_grad}
    depth = 1 + max((layer for layer in layers.values() if layer is not None), default=-1)
    if count > depth:
        raise BadInput(
            f"features.gradients.layers: the model has only {depth} layers with an adapter. Got {count}. "
            "Lower it, or leave it out for all layers."
        )
    for name, weight in model.named_parameters():
        layer = layers.get(name)
        if layer is not None and layer < depth - count:
            weight.requires_grad_(False)


def passed_parameters(model: nn.Module) -> int:
    """How many parameters of the base model a backward pass goes through: from the first open layer on."""
    named = [(name, weight) for name, weight in model.named_parameters() if "lora_" not in name]
    opened = [_layer(name) for name, weight in model.named_parameters() if weight.requires_grad]
    first = min((layer for layer in opened if layer is not None), default=0)
    layers = ((_layer(name), weight) for name, weight in named)
    return sum(weight.numel() for layer, weight in layers if layer is None or layer >= first)


def _layer(name: str) -> int | None:
    """The number of the layer that a parameter belongs to; None outside the layers."""
    found = LAYER.search(name)
    return int(found.group(1)) if found else None
