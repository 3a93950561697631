"""The gradient bank: one sketched LoRA gradient and one log-probability for each response."""

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from harness.data.tokens import Encoded, TokenBatch, pad, response_logprobs
from harness.methods.capture import Factor, captured, lora_factors, refuse
from harness.methods.clustering import Matrix
from harness.methods.features import GradientBank
from harness.methods.projection import Sketch, SketchTable, add_sketch, sketch_table
from harness.methods.still import still

Progress = Callable[[int, int], None]

# What peft 0.21 says of its own dealings: it reads a name that transformers renamed, and it notes that
# GPT-2's layers store the transposed weight before it does the right thing.
PEFT_NOISE = ("`is_gradient_checkpointing` is deprecated", "fan_in_fan_out is set to False")


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


def response_gradients(
    model: nn.Module,
    rows: Sequence[Encoded],
    sketch: Sketch,
    pad_id: int,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> GradientBank:
    """The gradient of log pi(response | prompt) by the LoRA factors, sketched, and the value itself.

    Where the adapter is fresh (B = 0) the policy is the reference, so these are the reference's
    log-probabilities. Rows are batched by length; the batch size changes only the speed. Runs without
    dropout, which would make the gradient another one; activation checkpointing, where it is on, is used.

    Args:
        model: a causal language model with a peft LoRA adapter, on any device.
        rows: the responses with their prompts.
        sketch: how gradients are projected.
        pad_id: a token id to fill rows with; its value does not matter.
        batch_size: responses in one padded pass.
        progress: called with (rows done, rows in all) after every batch.

    Raises:
        BadInput: a trainable parameter's gradient cannot be had for each response; the sentence names it.
    """
    device = next(model.parameters()).device
    factors = lora_factors(model)
    tables = {
        factor.name: sketch_table(sketch, factor.name, tuple(factor.layer.weight.shape)).to(device)
        for factor in factors
        if not factor.zero_gradient
    }
    bank = GradientBank(np.zeros((len(rows), sketch.dim), np.float32), np.zeros(len(rows), np.float32))
    longest_first = sorted(range(len(rows)), key=lambda at: -len(rows[at]))
    model.zero_grad(set_to_none=True)
    with still(model):
        for start in range(0, len(rows), batch_size):
            part = longest_first[start : start + batch_size]
            batch = pad([rows[at] for at in part], pad_id).to(device)
            cells = torch.zeros((len(part), sketch.dim), device=device)
            bank.logprobs[part] = _backward(model, batch, factors, tables, cells)
            bank.gradients[part] = cells.cpu().numpy()
            if progress is not None:
                progress(start + len(part), len(rows))
    return bank


def _backward(
    model: nn.Module,
    batch: TokenBatch,
    factors: Sequence[Factor],
    tables: Mapping[str, SketchTable],
    cells: Tensor,
) -> Matrix:
    """Add each row's sketched gradient to `cells` [rows, dim]; return the log-probabilities [rows]."""
    rows, length = batch.input_ids.shape
    unseen = set(tables)

    def sink(name: str, gradients: Tensor) -> None:
        unseen.discard(name)
        add_sketch(cells, gradients.flatten(1), tables[name])

    with captured(factors, (rows, length), sink), torch.enable_grad():
        output = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
        logprobs = response_logprobs(output.logits, batch)
        torch.autograd.backward(logprobs.sum())
    # A weight that was read past its layer's forward has got an ordinary gradient, which the sink never saw.
    refuse([factor.name for factor in factors if factor.layer.weight.grad is not None])
    refuse([name for name in tables if name in unseen])
    values: Matrix = logprobs.detach().cpu().numpy()
    return values
