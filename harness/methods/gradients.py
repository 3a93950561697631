"""The gradient of each response's log-probability by the LoRA factors, sketched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.data.tokens import Encoded, TokenBatch, pad, token_logprobs
from harness.errors import BadInput
from harness.methods.capture import Factor, Sink, captured, lora_factors, refuse
from harness.methods.clustering import Matrix
from harness.methods.features import GradientBank, Lengths
from harness.methods.projection import Sketch, SketchTable, add_sketch, sketch_table
from harness.methods.still import still


@dataclass(frozen=True, eq=False)
class GradientPass:
    """A model made ready to take gradients.

    Made by `gradient_pass`. `scales` holds one number for each coordinate [D] of each parameter, applied
    before the sketch; none: the plain gradient.
    """

    model: nn.Module
    factors: Sequence[Factor]
    tables: Mapping[str, SketchTable]
    dim: int
    pad_id: int
    response_only: bool = False
    scales: Mapping[str, Tensor] | None = None

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.model.parameters()).device

    @property
    def captured(self) -> int:
        """How many numbers a gradient has before the sketch."""
        return sum(factor.layer.weight.numel() for factor in self.factors if factor.name in self.tables)

    def sketch(self, gradient: Mapping[str, Tensor]) -> Matrix:
        """[dim] sketch of one gradient, given by parameter, scaled like those of responses."""
        cells = torch.zeros((1, self.dim), device=self.device)
        for name, table in self.tables.items():
            rows = gradient[name].to(self.device).flatten()[None].clone()
            add_sketch(cells, self.scaled(name, rows), table)
        found: Matrix = cells[0].cpu().numpy()
        return found

    def scaled(self, name: str, rows: Tensor) -> Tensor:
        """`rows` [b, D] of one parameter times its scale."""
        return rows if self.scales is None else rows * self.scales[name]


def gradient_pass(
    model: nn.Module,
    sketch: Sketch,
    pad_id: int,
    response_only: bool = False,
    scales: Mapping[str, Tensor] | None = None,
) -> GradientPass:
    """Find the model's LoRA factors and make the sketch's tables for them.

    Args:
        model: a causal language model with a peft LoRA adapter, on any device.
        sketch: how gradients are projected.
        pad_id: a token id to fill rows with; its value does not matter.
        response_only: leave out what comes through the prompt: all its tokens but the last are run forward
            without gradient. Cheaper, and another feature: pair cosines correlate by 0.97 with the full.
        scales: of each parameter, in its shape.

    Raises:
        BadInput: a trainable parameter's gradient cannot be had for each response; the sentence names it.
    """
    factors = lora_factors(model)
    device = next(model.parameters()).device
    tables = {
        factor.name: sketch_table(sketch, factor.name, tuple(factor.layer.weight.shape)).to(device)
        for factor in factors
        if not factor.zero_gradient
    }
    flat = scales and {name: scales[name].to(device).flatten() for name in tables}
    return GradientPass(model, factors, tables, sketch.dim, pad_id, response_only, flat)


def response_gradients(taken: GradientPass, rows: Sequence[Encoded], batch_size: int = 32) -> GradientBank:
    """The gradient of log pi(response | prompt) by the LoRA factors, sketched, and the value itself.

    Where the adapter is fresh (B = 0) the policy is the reference, so these are the reference's
    log-probabilities. Rows are batched by length; the batch size changes only the speed. Runs without
    dropout, which would make the gradient another one; activation checkpointing, where it is on, is used. A
    response without tokens has log-probability and gradient 0.

    Args:
        taken: the model, and how gradients are taken.
        rows: the responses with their prompts.
        batch_size: responses in one padded pass.

    Raises:
        BadInput: a trainable parameter's gradient cannot be had for each response; the sentence names it.
    """
    gradients = np.zeros((len(rows), taken.dim), np.float32)
    logprobs, norms = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    longest_first = sorted(range(len(rows)), key=lambda at: -len(rows[at]))
    with still(taken.model, checkpointing=not taken.response_only):
        for start in range(0, len(rows), batch_size):
            part = longest_first[start : start + batch_size]
            cells = torch.zeros((len(part), taken.dim), device=taken.device)
            squares = torch.zeros(len(part), device=taken.device)
            sketching = _sketching(taken, cells, squares)
            logprobs[part] = backward(taken, [rows[at] for at in part], sketching)
            gradients[part] = cells.cpu().numpy()
            norms[part] = squares.sqrt().cpu().numpy()
    return GradientBank(gradients, logprobs, response_lengths(rows), norms)


def response_lengths(rows: Sequence[Encoded]) -> Lengths:
    """[rows] tokens of each response."""
    return np.array([len(row.response) for row in rows], np.int32)


def backward(taken: GradientPass, rows: Sequence[Encoded], sink_for: Callable[[Tensor], Sink]) -> Matrix:
    """One padded forward and backward pass of a model that is `still`; the log-probabilities [rows].

    Args:
        taken: the model, and how gradients are taken.
        rows: one batch.
        sink_for: given the log-probabilities [rows], before the backward pass, returns what takes each
            parameter's gradients [rows, out, in] in it.
    """
    sinks: dict[str, Sink] = {}
    seen: set[str] = set()

    def sink(name: str, gradients: Tensor) -> None:
        # The norm of a sum, and Adam's square of one, cannot be had from its parts.
        refuse([name] if name in seen else [])
        seen.add(name)
        sinks["now"](name, gradients)

    batch, context = _split(taken, rows) if taken.response_only else _whole(taken, rows)
    shape = (len(rows), batch.input_ids.shape[1])
    with captured(taken.factors, shape, sink), torch.enable_grad():
        # The head is not asked for what it predicts inside the prompts.
        asked = batch.from_first_response()
        logits = taken.model(input_ids=batch.input_ids, logits_to_keep=asked.length, **context).logits
        # Summed with the zeros of those places: in the same order, and so to the same bit, as whole rows.
        logprobs = F.pad(token_logprobs(logits, asked), (batch.length - asked.length, 0)).sum(-1)
        sinks["now"] = sink_for(logprobs.detach())
        torch.autograd.backward(logprobs.sum())
    # A weight that was read past its layer's forward has got an ordinary gradient, which the sink never saw.
    refuse([factor.name for factor in taken.factors if factor.layer.weight.grad is not None])
    refuse([name for name in taken.tables if name not in seen])
    values: Matrix = logprobs.detach().cpu().numpy()
    return values


def _sketching(taken: GradientPass, cells: Tensor, squares: Tensor) -> Callable[[Tensor], Sink]:
    """Adds each row's sketched gradient to `cells` [rows, dim], its squared length to `squares` [rows]."""

    def sink(name: str, gradients: Tensor) -> None:
        flat = taken.scaled(name, gradients.flatten(1))
        squares.add_(torch.linalg.vector_norm(flat, dim=1).square())
        add_sketch(cells, flat, taken.tables[name])

    return lambda _: sink


def _whole(taken: GradientPass, rows: Sequence[Encoded]) -> tuple[TokenBatch, dict[str, Any]]:
    """The rows, and the other arguments of the model."""
    batch = pad(rows, taken.pad_id).to(taken.device)
    return batch, {"attention_mask": batch.attention_mask, "use_cache": False}


def _split(taken: GradientPass, rows: Sequence[Encoded]) -> tuple[TokenBatch, dict[str, Any]]:
    """The rows from their prompt's last token on, and the other arguments of the model.

    The tokens before are run forward without gradient, padded on the left so that they end together. The
    cut leaves the last prompt token out, because it predicts the first response token.

    Raises:
        BadInput: a prompt has fewer than two tokens.
    """
    if min(len(row.prompt) for row in rows) < 2:
        raise BadInput(
            "features.gradients.tokens: 'response' needs prompts of at least two tokens, and one is shorter. "
            "Use 'all', or a chat template that writes more."
        )
    batch, _ = _whole(taken, [Encoded(row.prompt[-1:], row.response) for row in rows])
    before = [row.prompt[:-1] for row in rows]
    length = max(len(tokens) for tokens in before)
    ids = torch.tensor([[taken.pad_id] * (length - len(tokens)) + list(tokens) for tokens in before])
    mask = torch.tensor([[0] * (length - len(tokens)) + [1] * len(tokens) for tokens in before])
    ids, mask = ids.to(taken.device), mask.to(taken.device)
    with torch.no_grad():
        past = taken.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=True,
            logits_to_keep=1,
        ).past_key_values
    positions = mask.sum(1, keepdim=True) + torch.arange(batch.input_ids.shape[1], device=taken.device)
    return batch, {
        "attention_mask": torch.cat((mask, batch.attention_mask), dim=1),
        "position_ids": positions,
        "past_key_values": past,
        "use_cache": True,
    }
