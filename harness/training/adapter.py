"""What is trained, before and after: the adapter's place in the model, and the files of a trained policy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from harness.errors import BadInput
from harness.models.load import hollow_model
from harness.models.source import resolve
from harness.training.settings import SupervisedSettings, TrainingSettings


def lora_config(model: Any, settings: TrainingSettings | SupervisedSettings) -> LoraConfig | None:
    """The adapter that these settings put on a model; none where all weights are trained.

    Raises:
        BadInput: a target matches no linear layer, or the head.
    """
    if settings.weights == "full":
        return None
    if settings.targets is not None:
        _check_targets(model, settings.targets)
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.rank,
        target_modules="all-linear" if settings.targets is None else list(settings.targets),
    )


def check_targets(base: Path, targets: tuple[str, ...]) -> None:
    """Whether a base model has the layers that `targets` name, by its architecture alone.

    Raises:
        BadInput: a target matches no linear layer, or the head.
    """
    folder, source = resolve(base)
    _check_targets(hollow_model(folder, source.trust_remote_code), targets)


def _check_targets(model: Any, targets: tuple[str, ...]) -> None:
    head = model.get_output_embeddings()
    linear = {name: each for name, each in model.named_modules() if isinstance(each, nn.Linear | Conv1D)}
    kinds = sorted({name.rsplit(".", 1)[-1] for name, each in linear.items() if each is not head})
    for target in targets:
        found = [each for name, each in linear.items() if name == target or name.endswith("." + target)]
        if not found or any(each is head for each in found):
            what = "is the head, which has no adapter" if found else "matches no linear layer of the model"
            raise BadInput(f"training.targets: '{target}' {what}. It has: {', '.join(kinds)}.")


def save_policy(model: Any, out: Path, weights: Mapping[str, Tensor] | None = None) -> None:
    """Write the adapter's weights and config, or the whole model where it has none, and nothing else.

    PEFT would add a model card. `weights` are those of the whole model, where it holds only a shard of them.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not isinstance(model, PeftModel):
        if weights is not None:  # copies, by which the library does not see that two are tied
            tied = model.all_tied_weights_keys
            weights = {name: each for name, each in weights.items() if name not in tied}
        model.save_pretrained(out, state_dict=weights)
        return
    state = get_peft_model_state_dict(model, state_dict=weights, save_embedding_layers=False)
    save_file(
        {name: value.to("cpu", torch.float32).contiguous() for name, value in state.items()},
        out / SAFETENSORS_WEIGHTS_NAME,
    )
    config = model.peft_config["default"]
    config.inference_mode = True
    config.base_model_name_or_path = None
    config.target_modules = sorted(config.target_modules)  # a set would be written in another order each time
    config.save_pretrained(out)
