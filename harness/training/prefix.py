"""The log-probability of every response token of some prompts, with each prompt read once.

Three ways with the same result: a KV cache of the prompt that keeps its gradient ("cache"), one row for each
prompt with its responses packed behind it ("packed"), or one row for each response ("rows").
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from accelerate.utils import extract_model_from_parallel
from torch import Tensor, nn

from harness.training.grouped import Prefix, PromptGroup
from harness.training.packed_attention import PACKED, packed_layout
from harness.training.scores import ResponseScores


@dataclass(frozen=True, eq=False)
class _Batch:
    """Prompts and their responses, R in all, group by group.

    `tokens` and `mask` [R, T] are the responses, padded on the right; `group` [R] says whose they are;
    `sizes` [groups] are the lengths of the prompts.
    """

    groups: Sequence[PromptGroup]
    pad_id: int
    tokens: Tensor
    mask: Tensor
    group: Tensor
    sizes: Tensor

    def padded(self, rows: Sequence[Sequence[int]], fill: int) -> Tensor:
        return _padded(rows, fill, self.tokens.device)


Piece = tuple[Tensor, Tensor, Tensor]
"""Logits [N, V], and the response and the position [N] of the token that each of them predicts."""


def response_scores(
    model: Any, groups: Sequence[PromptGroup], prefix: Prefix, pad_id: int, certainty: bool = False
) -> ResponseScores:
    """Run the model over the unique responses of the groups, group by group.

    Args:
        model: a causal language model of transformers, an adapter around it or not.
        groups: prompts with their responses.
        prefix: how the prompt is shared; `exact_prefix` finds out which ways a model allows.
        pad_id: a token id to fill rows with; its value does not matter.
        certainty: whether that is wanted, too.
    """
    batch = _batch(groups, pad_id, next(model.parameters()).device)
    logprobs = torch.zeros(batch.tokens.shape, device=batch.tokens.device)
    squares = torch.zeros_like(logprobs)
    for logits, row, at in FORWARDS[prefix](model, batch):
        values = logits.float()
        found = -F.cross_entropy(values, batch.tokens[row, at], reduction="none")
        logprobs = logprobs.index_put((row, at), found)
        if certainty:
            squares[row, at] = log_collision(values)
    if not certainty:
        return ResponseScores(logprobs, batch.mask)
    surplus = (logprobs.detach() - squares).sum(1)
    return ResponseScores(logprobs, batch.mask, surplus / batch.mask.sum(1).clamp(min=1))


@torch.no_grad()
def log_collision(logits: Tensor) -> Tensor:
    """The log sum_v p(v)^2 of each distribution [..., V]."""
    return (2 * logits).logsumexp(-1) - 2 * logits.logsumexp(-1)


def _batch(groups: Sequence[PromptGroup], pad_id: int, device: torch.device) -> _Batch:
    responses = [response for group in groups for response in group.responses]
    owner = [at for at, group in enumerate(groups) for _ in group.responses]
    return _Batch(
        groups,
        pad_id,
        _padded(responses, pad_id, device),
        _padded([[1] * len(response) for response in responses], 0, device).bool(),
        torch.tensor(owner, device=device),
        torch.tensor([len(group.prompt) for group in groups], device=device),
    )


def _by_rows(model: Any, batch: _Batch) -> Iterator[Piece]:
    """Rows end before their last token, from which nothing is predicted."""
    rows = [group.prompt + response[:-1] for group in batch.groups for response in group.responses]
    row, at = batch.mask.nonzero(as_tuple=True)
    with _head_at(model, row, batch.sizes[batch.group[row]] - 1 + at) as picked:
        output = model(
            input_ids=batch.padded(rows, batch.pad_id),
            attention_mask=batch.padded([[1] * len(tokens) for tokens in rows], 0),
            use_cache=False,
        )
        yield picked(output.logits), row, at


def _by_cache(model: Any, batch: _Batch) -> Iterator[Piece]:
    """The prompts, then the responses on their prompt's keys and values.

    Prompts are padded on the left, so that distances are right for models that look back a window only.
    """
    length = int(batch.sizes.max())
    rows = [[batch.pad_id] * (length - len(group.prompt)) + list(group.prompt) for group in batch.groups]
    pads = length - batch.sizes[:, None]
    columns = torch.arange(length, device=pads.device)[None]
    mask = (columns >= pads).long()
    row, at = batch.mask[:, :1].nonzero(as_tuple=True)
    with _head_at(model, batch.group[row], at + length - 1) as picked:
        output = model(
            input_ids=batch.padded(rows, batch.pad_id),
            attention_mask=mask,
            position_ids=(columns - pads).clamp(min=0),
            use_cache=True,
        )
        yield picked(output.logits), row, at
    row, at = batch.mask[:, 1:].nonzero(as_tuple=True)
    if not len(row):
        return
    past = output.past_key_values
    past.batch_select_indices(batch.group)
    steps = torch.arange(batch.tokens.shape[1] - 1, device=pads.device)[None]
    with _head_at(model, row, at) as picked:
        output = model(
            input_ids=batch.tokens[:, :-1],
            attention_mask=torch.cat((mask[batch.group], batch.mask[:, 1:].long()), dim=1),
            position_ids=batch.sizes[batch.group][:, None] + steps,
            past_key_values=past,
            use_cache=True,
        )
        yield picked(output.logits), row, at + 1


def _by_packing(model: Any, batch: _Batch) -> Iterator[Piece]:
    """One row for each prompt: itself, then its responses, which see it and themselves alone."""
    reads = [[response[:-1] for response in group.responses] for group in batch.groups]
    rows = [sum(parts, tuple(group.prompt)) for group, parts in zip(batch.groups, reads, strict=True)]
    parts = [[len(read) for read in each] for each in reads]
    sizes = [len(group.prompt) for group in batch.groups]
    positions = [
        [*range(size), *(size + at for length in each for at in range(length))]
        for size, each in zip(sizes, parts, strict=True)
    ]
    starts = torch.tensor(
        [size + sum(each[:at]) for size, each in zip(sizes, parts, strict=True) for at in range(len(each))],
        device=batch.tokens.device,
    )
    row, at = batch.mask.nonzero(as_tuple=True)
    owner = batch.group[row]
    with _head_at(model, owner, torch.where(at > 0, starts[row] + at - 1, batch.sizes[owner] - 1)) as picked:
        output = model(
            input_ids=batch.padded(rows, batch.pad_id),
            position_ids=batch.padded(positions, 0),
            use_cache=False,
            **_packed_sight(model, sizes, parts, batch.tokens.device),
        )
        yield picked(output.logits), row, at


FORWARDS: dict[Prefix, Callable[[Any, _Batch], Iterator[Piece]]] = {
    "cache": _by_cache,
    "packed": _by_packing,
    "rows": _by_rows,
}


def _packed_sight(
    model: Any, prompts: Sequence[int], responses: Sequence[Sequence[int]], device: torch.device
) -> dict[str, Any]:
    """What tells the model who sees whom in packed rows."""
    bare = _bare(model)
    if bare.config._attn_implementation == "sdpa":
        bare.set_attn_implementation(PACKED)
    if bare.config._attn_implementation == PACKED:
        # a mask of four dimensions is handed on as it is, so that none is made
        unused = torch.ones((1, 1, 1, 1), dtype=torch.bool, device=device)
        return {"attention_mask": unused, "packed_layout": packed_layout(prompts, responses, device)}
    segments = [
        [0] * size + [number for number, length in enumerate(parts, start=1) for _ in range(length)]
        for size, parts in zip(prompts, responses, strict=True)
    ]
    return {"attention_mask": _packed_mask(_padded(segments, -1, device), bare.dtype)}


def _packed_mask(segment: Tensor, dtype: torch.dtype) -> Tensor:
    """[rows, 1, length, length] to add: the prompt (segment 0) and one's own segment are seen, up to oneself.

    Pads are a segment of their own, so that each sees at least itself: a softmax over nothing is NaN.
    """
    length = segment.shape[1]
    causal = torch.ones((length, length), dtype=torch.bool, device=segment.device).tril()
    near = (segment[:, :, None] == segment[:, None, :]) | (segment == 0)[:, None, :]
    seen = (near & causal)[:, None]
    lowest = torch.finfo(dtype).min
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, lowest)


@contextmanager
def _head_at(model: Any, row: Tensor, column: Tensor) -> Iterator[Callable[[Tensor], Tensor]]:
    """Inside, the language-model head sees the hidden states at these places alone; gives a picker of logits.

    What the model does to logits behind its head (soft-capping, scaling) is done as ever. Where the model
    does not call its head as a module, the logits are those of all places, and the picker takes these.
    """
    called: list[bool] = []

    def pick(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        called.append(True)
        return (inputs[0][row, column][None], *inputs[1:])

    handle = _bare(model).get_output_embeddings().register_forward_pre_hook(pick)
    try:
        yield lambda logits: logits[0] if called else logits[row, column]
    finally:
        handle.remove()


def _bare(model: Any) -> Any:
    return extract_model_from_parallel(model)


def _padded(rows: Sequence[Sequence[int]], fill: int, device: torch.device) -> Tensor:
    length = max(1, *(len(row) for row in rows))
    return torch.tensor([[*row, *[fill] * (length - len(row))] for row in rows], device=device)
