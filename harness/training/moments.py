"""What Adam has learnt about each parameter by the end of a training, on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from harness.methods.adam import Moments

NAME = "moments.safetensors"


def adam_moments(model: nn.Module, state: Mapping[Tensor, Mapping[str, Any]]) -> Moments:
    """The moments that an optimiser of the Adam family keeps of each trained parameter, by name."""
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    return Moments(
        first={name: state[weight]["exp_avg"] for name, weight in trained.items()},
        second={name: state[weight]["exp_avg_sq"] for name, weight in trained.items()},
    )


def write_moments(folder: Path, moments: Moments) -> None:
    """Write them beside an adapter."""
    tensors = {f"first.{name}": value for name, value in moments.first.items()}
    tensors |= {f"second.{name}": value for name, value in moments.second.items()}
    save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, folder / NAME)


def read_moments(folder: Path) -> Moments:
    """Read what `write_moments` wrote."""
    tensors = load_file(folder / NAME)
    return Moments(
        first={name.removeprefix("first."): value for name, value in tensors.items() if name[0] == "f"},
        second={name.removeprefix("second."): value for name, value in tensors.items() if name[0] == "s"},
    )
