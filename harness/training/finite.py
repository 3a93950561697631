"""A training stops where its gradient or weights are no numbers: its losses tell a step later, or never."""

from collections.abc import Mapping
from itertools import chain
from math import isfinite
from typing import Any

from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers import Trainer

from harness.errors import Diverged


class FiniteTrainer(Trainer):  # type: ignore[misc]  # transformers ships no types
    """The library's trainer, stopped before an update by a gradient that is not finite."""

    def diverged(self, step: int, what: str) -> Diverged:
        """The error of a step, counted from 1: `what` was found, and which data the step saw."""
        raise NotImplementedError

    def check_weights(self, whole: Mapping[str, Tensor] | None = None) -> None:
        """Look at the trained weights, in shards at those of this process.

        Args:
            whole: the state that shards were put together to: DeepSpeed may leave empty ones in the model.

        Raises:
            Diverged: one is not finite; the last update left it so.
        """
        own = (_own(weight) for weight in self.model.parameters() if weight.requires_grad)
        if not all(weight.isfinite().all() for weight in chain(own, (whole or {}).values())):
            step = self.state.global_step
            raise self.diverged(step, f"the update of step {step} left weights that are not finite")

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """The library's norm, which it takes at every step.

        In fp16 it is infinite where the scale of the loss is too large; the library then skips the update.
        """
        norm = super()._get_grad_norm(model, grad_norm)
        if norm is None or self.args.fp16:  # None: DeepSpeed keeps it to itself
            return norm
        value = float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
        if not isfinite(value):
            step = self.state.global_step + 1
            raise self.diverged(step, f"the gradient norm at step {step} is {value}")
        return norm


def _own(weight: Tensor) -> Tensor:
    return weight.to_local() if isinstance(weight, DTensor) else weight
