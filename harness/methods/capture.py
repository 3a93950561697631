"""The gradient of every LoRA factor for each row of a batch, out of one backward pass."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import BadInput

Sink = Callable[[str, Tensor], None]
Receive = Callable[[Tensor, Tensor], None]


@dataclass(frozen=True, eq=False)
class Factor:
    """One LoRA factor: its weight's `name`, its layer, and whether its gradient is known to be zero.

    With B = 0 the gradient of A, and what flows back through A to the input, is B^T(...) = 0 exactly.
    """

    name: str
    layer: nn.Linear
    zero_gradient: bool


def lora_factors(model: nn.Module) -> list[Factor]:
    """The trainable LoRA factors of a peft model, which must be all that is trainable in it.

    Raises:
        BadInput: nothing is trainable, or something that is not the weight of a linear LoRA factor is
            (DoRA vectors, biases, modules_to_save, LoRA on embeddings).
    """
    layers = {
        f"{name}.weight": layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
        and name.split(".")[-2:-1] in (["lora_A"], ["lora_B"])
        and layer.weight.requires_grad
    }
    trainable = [name for name, weight in model.named_parameters() if weight.requires_grad]
    if not trainable:
        raise BadInput(
            "The model has no trainable LoRA factor. Add a feature adapter before taking gradients."
        )
    refuse([name for name in trainable if name not in layers])
    return [Factor(name, layer, _zero_gradient(name, layers)) for name, layer in layers.items()]


def refuse(names: Sequence[str]) -> None:
    """Raise BadInput where a trainable parameter's gradient cannot be had for each row."""
    if names:
        raise BadInput(
            f"The gradient of {', '.join(names[:3])} ({len(names)} such in all) cannot be taken for each "
            "response. "
            "Only LoRA factors that are linear layers, and that every pass calls with one row for each "
            "response, can be used: leave that module out of the feature adapter, or choose a depth that "
            "needs no gradients."
        )


@contextmanager
def captured(factors: Sequence[Factor], shape: tuple[int, int], sink: Sink) -> Iterator[None]:
    """While open, a backward pass hands each factor's gradients to `sink(name, [rows, out, in])`, in fp32.

    Nothing is kept in `.grad`. A factor used twice in a pass is handed over twice: the sum is its gradient.

    Args:
        factors: of the model.
        shape: (rows, length) of the batches that run while open.
        sink: called in the backward pass. What it is handed is memory that the next factor's gradients take:
            the sink may change it, and must copy what it wants to keep.
    """
    # One piece of memory for all: on a CPU, new memory for each would cost as much as the arithmetic.
    weights = [factor.layer.weight for factor in factors]
    space = weights[0].new_empty(shape[0] * max(weight.numel() for weight in weights), dtype=torch.float32)
    with ExitStack() as undo:
        for factor in factors:
            # An instance attribute hides the class's method, and goes away without a trace.
            factor.layer.__dict__["forward"] = _forward(factor, shape, sink, space)
            undo.callback(factor.layer.__dict__.pop, "forward")
        yield


def _forward(factor: Factor, shape: tuple[int, int], sink: Sink, space: Tensor) -> Callable[[Tensor], Tensor]:
    """The forward pass that stands in for the layer's own."""
    weight = factor.layer.weight

    def receive(gradient: Tensor, inputs: Tensor) -> None:
        rows = shape[0]
        outward, inward = (side.reshape(rows, -1, side.shape[-1]).float() for side in (gradient, inputs))
        found = space[: rows * weight.numel()].view(rows, *weight.shape)
        sink(factor.name, torch.bmm(outward.transpose(1, 2), inward, out=found))

    def forward(inputs: Tensor) -> Tensor:
        # Some models flatten rows and positions; any other first axis is not one of rows.
        if inputs.shape[:-1] not in (shape, (shape[0] * shape[1],)):
            refuse([factor.name])
        if factor.zero_gradient:
            return F.linear(inputs.detach(), weight.detach())
        output: Tensor = _CapturedLinear.apply(inputs, weight, receive)  # type: ignore[no-untyped-call]
        return output

    return forward


class _CapturedLinear(torch.autograd.Function):
    """inputs @ weight^T, whose backward hands (gradient, inputs) over in place of the weight's gradient.

    Unlike hooks it keeps no activation beyond what autograd itself saves.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, receive: Receive) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.receive = receive
        return F.linear(inputs, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        inputs, weight = ctx.saved_tensors
        ctx.receive(gradients[0], inputs)
        return (gradients[0] @ weight if ctx.needs_input_grad[0] else None), None, None


def _zero_gradient(name: str, layers: dict[str, nn.Linear]) -> bool:
    """Whether this is an A whose B is all zero."""
    head, found, tail = name.rpartition(".lora_A.")
    partner = layers.get(f"{head}.lora_B.{tail}") if found else None
    return partner is not None and not bool(partner.weight.any())
