"""Holds a model still for a gradient pass: no dropout, and checkpointed layers stay checkpointed."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def still(model: nn.Module, checkpointing: bool = True) -> Iterator[None]:
    """While open, the model is deterministic and has no gradients; then every module is in its mode again.

    All modules are in evaluation mode, but those that checkpoint their activations: transformers recomputes
    activations only of layers in training mode. What such a layer itself drops is set to zero (dropout of its
    submodules is off by their own mode). Without `checkpointing` they, too, are in evaluation mode: a pass
    that reads a cache must not recompute, since transformers drops the cache there.
    """
    modes = {module: module.training for module in model.modules()}
    rates: list[tuple[nn.Module, str, float]] = []
    model.eval()
    model.zero_grad(set_to_none=True)
    for module in modes:
        if checkpointing and getattr(module, "gradient_checkpointing", False):
            module.training = True
            rates += [(module, name, rate) for name, rate in vars(module).items() if _is_rate(name, rate)]
    for module, name, _ in rates:
        setattr(module, name, 0.0)
    try:
        yield
    finally:
        for module, name, rate in rates:
            setattr(module, name, rate)
        for module, training in modes.items():
            module.training = training


def _is_rate(name: str, value: object) -> bool:
    """Whether this is a share of activations or layers to drop: `dropout`, `layerdrop`, `drop_path`, ..."""
    return "drop" in name and isinstance(value, float)


def drop_nothing(model: nn.Module) -> None:
    """Set every such share to zero, for good."""
    for module in model.modules():
        for name, rate in list(vars(module).items()):
            if _is_rate(name, rate):
                setattr(module, name, 0.0)
