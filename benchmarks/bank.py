"""The gradient bank's pass over a plain batched forward and backward pass of the same batches."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.commands import device
from benchmarks.figure import Benchmark, Figure, at_most
from benchmarks.prepared import prepared
from benchmarks.shapes import SMALL, TINY, Shape, disturb, random_model, random_rows
from benchmarks.timing import interleaved
from harness.data.rows import Prompt, Response
from harness.data.tokens import Encoded, pad, response_logprobs
from harness.methods.capture import captured, lora_factors
from harness.methods.feature_adapter import add_feature_adapter
from harness.methods.gradients import gradient_pass, response_gradients
from harness.methods.projection import Sketch
from harness.methods.still import still
from harness.models.chat import encode
from harness.models.load import load_policy
from harness.store.columns import Columns
from harness.store.formats import read_rows

NAME, RANK, DIM = "bank", 32, 2048
WARM_B = 0.02
"""Standard deviation of B in an adapter that has been trained a little."""

ROUNDS = 9

# After a warm-up both factors have gradients: at rank 32 that is 139,264 numbers for every row, each of which
# is made, squared for the norm, signed, and added to a cell. Beside a plain pass (about 6 x tokens x
# parameters operations) that is little where rows are long or the model is large. The Atlas model is the
# worst case: 20 tokens through 490,000 parameters, 43 ms for a batch of 32, and there 1.15 is not reached.
# By parts, each the least of many rounds: alone, with operands in the cache, each row's gradient takes 4.7 ms
# instead of 3.9 for their sum, norms 1.2, signs 0.6, adding into cells 3.5 (0.8 ns a number: read, add,
# write), together 1.14. In the pass itself, on cores that others used as well, capture made it 1.12, norms
# and signs 1.15, adding 1.28; presumably the operands then are not in the cache. Tried and not quicker
# than one index_add: 32-bit indices, rows in parts that fit the cache, a sparse product, the transposed
# table, signs folded into twice the cells.
#
# The bank does not ask the head about tokens inside the prompts, and the plain pass does. The second figure
# has a plain pass that does not either, and shows the price of capture and sketch alone.

PIECE = 256
"""Responses in one piece of the bank on disk, and sorted by length together."""


def plain_pass(model: nn.Module, rows: Sequence[Encoded], batch: int, short_head: bool = False) -> None:
    """Forward and backward in the bank's batches; the adapter's gradients are summed, as in training.

    With `short_head` the head is asked only from the end of the batch's shortest prompt on, as the bank does.
    """
    for start in range(0, len(rows), PIECE):
        piece = sorted(rows[start : start + PIECE], key=len, reverse=True)
        for first in range(0, len(piece), batch):
            torch.autograd.backward(_logprobs(model, piece[first : first + batch], short_head).sum())
            model.zero_grad(set_to_none=True)


def bank_pass(model: nn.Module, batch: int) -> Callable[[Sequence[Encoded]], None]:
    """The bank of a model: capture, sketch, store. The sketch's tables, made once, are ready."""
    taken = gradient_pass(model, Sketch(DIM, seed=0), pad_id=0)

    def run(rows: Sequence[Encoded]) -> None:
        shapes = {"gradients.npy": ((len(rows), DIM), np.float16), "logprobs.npy": ((len(rows),), np.float32)}
        with tempfile.TemporaryDirectory() as folder:
            columns = Columns(Path(folder), shapes)
            for start in range(0, len(rows), PIECE):
                bank = response_gradients(taken, rows[start : start + PIECE], batch)
                half = bank.gradients.astype(np.float16)
                parts: dict[str, NDArray[Any]] = {"gradients.npy": half, "logprobs.npy": bank.logprobs}
                columns.write(str(start), {name: (start, part) for name, part in parts.items()}, None)

    return run


def measure() -> list[Figure]:
    """Time on three models, memory, and bytes on disk."""
    torch.set_num_threads(1)
    model, rows = atlas()
    return [
        *_times("Atlas base model (128 x 2), its own 20-token rows", model, rows, 32, 1.15),
        *_shape_times("Llama 128 x 4, 128-token rows", TINY, 1.15),
        *_shape_times("Llama 512 x 8 (40M), 128-token rows", SMALL, 1.10),
        *_memory(),
        _bytes(),
    ]


def atlas() -> tuple[nn.Module, list[Encoded]]:
    """The default recipe's base model with a feature adapter, and the responses that `balanced` has."""
    made = prepared()
    policy = load_policy(made.folder("base_model"))
    text = {prompt.id: prompt.text for prompt in read_rows(made.folder("breadth") / "prompts.jsonl", Prompt)}
    responses = read_rows(made.folder("responses") / "responses.jsonl", Response)
    rows = [encode(policy.tokenizer, text[r.prompt_id], r.text, r.finished) for r in responses]
    return add_feature_adapter(policy.model, RANK, seed=0), rows


def _shape_times(case: str, shape: Shape, bound: float) -> list[Figure]:
    return [*_times(case, random_model(shape, RANK, 0.0), random_rows(shape), shape.batch, bound)]


def _times(
    case: str, model: nn.Module, rows: Sequence[Encoded], batch: int, bound: float
) -> Iterator[Figure]:
    """Time with a fresh adapter, whose A has no gradient, and with one of which both factors have."""
    states = {"fresh adapter": 0.0, "adapter after a warm-up": WARM_B}
    for state, b_std in states.items():
        disturb(model, b_std)
        plain = partial(plain_pass, model, rows, batch)
        seconds = interleaved(
            {
                "plain": plain,
                "short": partial(plain, short_head=True),
                "bank": partial(bank_pass(model, batch), rows),
            },
            ROUNDS,
        )
        yield _figure(f"{case}, {state}: time, plain = 1", seconds["bank"] / seconds["plain"], "", bound)
        text = f"{case}, {state}: time, plain without the prompts' logits = 1"
        yield _figure(text, seconds["bank"] / seconds["short"], "", None)


def _memory() -> Iterator[Figure]:
    """Bytes that the forward pass keeps for the backward pass, with and without checkpointing."""
    model, rows = random_model(TINY, RANK, WARM_B), random_rows(TINY)[:8]
    for state, bound in (("", 1.05), (" with checkpointing", 1.0)):
        if state:
            model.activation_checkpointing_enable()  # type: ignore[operator]
        with still(model):
            plain = _kept(lambda: _logprobs(model, rows))
            with _capturing(model, rows):
                ours = _kept(lambda: _logprobs(model, rows))
        yield _figure(f"activations kept{state}, plain = 1", ours / plain, "", bound)


@contextmanager
def _capturing(model: nn.Module, rows: Sequence[Encoded]) -> Iterator[None]:
    with captured(lora_factors(model), (len(rows), max(map(len, rows))), lambda name, gradients: None):
        yield


def _kept(forward: Callable[[], Tensor]) -> int:
    """Bytes allocated and not freed by a forward pass, while its output lives."""
    forward()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        output = forward()
    kept = sum(event.self_cpu_memory_usage for event in profiled.key_averages())
    del output
    return int(kept)


def _bytes() -> Figure:
    """Of the stored artifact, its manifest included."""
    folder = prepared().folder("gradients")
    count = len(np.load(folder / "logprobs.npy", mmap_mode="r"))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return _figure(f"bytes on disk for each of {count} responses", size / count, "B", 2 * DIM + 32)


def _logprobs(model: nn.Module, rows: Sequence[Encoded], short_head: bool = False) -> Tensor:
    batch = pad(rows, pad_id=0).to(next(model.parameters()).device)
    asked = batch.from_first_response() if short_head else batch
    output = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        use_cache=False,
        logits_to_keep=asked.length,
    )
    return response_logprobs(output.logits, asked)


def _figure(case: str, value: float, unit: str, bound: float | None) -> Figure:
    return at_most(
        Figure(NAME, case, value, unit, "-", None, device(), f"python -m benchmarks {NAME}"), bound
    )


BENCHMARKS = (Benchmark(NAME, "the gradient bank's pass over a plain forward and backward pass", measure),)
