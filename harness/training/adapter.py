"""A trained LoRA adapter on disk."""

from pathlib import Path
from typing import Any

from peft import get_peft_model_state_dict
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import save_file


def save_adapter(model: Any, out: Path) -> None:
    """Write the weights and the config of an adapter, and nothing else (PEFT would add a model card)."""
    out.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    save_file(
        {name: value.cpu().contiguous() for name, value in state.items()}, out / SAFETENSORS_WEIGHTS_NAME
    )
    config = model.peft_config["default"]
    config.inference_mode = True
    config.base_model_name_or_path = None
    config.target_modules = sorted(config.target_modules)  # a set would be written in another order each time
    config.save_pretrained(out)
