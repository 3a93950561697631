"""Attention within rows of one prompt and its responses, where no response sees another.

A mask over the whole row makes attention compute what it then hides: every response's view of every other.
Here the prompts attend to themselves, and each response to its prompt and itself, as rows of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

PACKED = "sdpa_packed"
"""The name under which transformers knows this attention; without a layout it is "sdpa"."""


@dataclass(frozen=True, eq=False)
class PackedLayout:
    """Where G prompts and their R responses lie in packed rows of L tokens.

    The prompts, padded to P tokens, and the responses, padded to T, are G * P + R * T slots: `shape` is
    (G, P, R, T). `token_of` [slots] and `slot_of` [G * L] lead from each to the other, from pads to anywhere;
    `slot_pads` and `token_pads` are these pads. `counts` [G] are the responses of each prompt; `seen`
    [R, 1, T, P + T] says which tokens of its prompt and of itself each token of a response sees.
    """

    shape: tuple[int, ...]
    token_of: Tensor
    slot_of: Tensor
    slot_pads: Tensor
    token_pads: Tensor
    counts: tuple[int, ...]
    seen: Tensor


def packed_layout(
    prompts: Sequence[int], responses: Sequence[Sequence[int]], device: torch.device
) -> PackedLayout:
    """The layout of rows that hold a prompt of so many tokens, then responses of so many, row by row."""
    rows = [(size, *parts) for size, parts in zip(prompts, responses, strict=True)]
    length = max(map(sum, rows))
    starts = [[row * length + sum(parts[:at]) for at in range(len(parts))] for row, parts in enumerate(rows)]
    of_prompts = _places([each[0] for each in starts], prompts)
    of_responses = _places(
        [start for each in starts for start in each[1:]], [size for parts in responses for size in parts]
    )
    token_of = torch.cat((of_prompts.flatten(), of_responses.flatten()))
    filled = (token_of >= 0).nonzero().flatten()
    slot_of = torch.full((len(rows) * length,), -1).index_put((token_of[filled],), filled)
    counts = tuple(map(len, responses))
    own = torch.ones((of_responses.shape[1],) * 2, dtype=torch.bool).tril()
    past = (of_prompts >= 0).repeat_interleave(torch.tensor(counts), dim=0)[:, None]
    seen = torch.cat((past.expand(-1, len(own), -1), own.expand(len(past), -1, -1)), dim=2)[:, None]
    return PackedLayout(
        shape=(*tuple(of_prompts.shape), *tuple(of_responses.shape)),
        token_of=token_of.clamp(min=0).to(device),
        slot_of=slot_of.clamp(min=0).to(device),
        slot_pads=(token_of < 0).nonzero().flatten().to(device),
        token_pads=(slot_of < 0).nonzero().flatten().to(device),
        counts=counts,
        seen=seen.to(device),
    )


def _places(starts: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """[n, longest] start, start + 1, ... of each, and -1 behind its end; not narrower than 1."""
    steps = torch.arange(max(1, *sizes))
    return torch.where(steps < torch.tensor(sizes)[:, None], torch.tensor(starts)[:, None] + steps, -1)


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    packed_layout: PackedLayout | None = None,
    **named: Any,
) -> tuple[Tensor, None]:
    """[G, L, heads, size] by transformers' scaled dot-product attention, in two calls where rows are packed.

    Args:
        module: the attention layer that calls.
        query: [G, heads, L, size]; `key` and `value` may have fewer heads.
        key: see `query`.
        value: see `query`.
        attention_mask: as "sdpa" takes it; not looked at where there is a layout.
        packed_layout: how the rows are packed; the model hands it through to its layers.
        named: what else "sdpa" takes.
    """
    if packed_layout is None:
        plain: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **named
        )
        return plain
    prompts, responses = zip(*(_apart(each, packed_layout) for each in (query, key, value)), strict=True)
    keys, values = (
        torch.cat((_repeated(past, packed_layout.counts), own), dim=2)
        for past, own in zip(prompts[1:], responses[1:], strict=True)
    )
    named["is_causal"] = True
    of_prompts, _ = sdpa_attention_forward(module, *prompts, None, **named)
    of_responses, _ = sdpa_attention_forward(module, responses[0], keys, values, packed_layout.seen, **named)
    found = _together((of_prompts, of_responses), packed_layout)
    return found.view(len(query), -1, *found.shape[1:]), None


def _apart(values: Tensor, layout: PackedLayout) -> tuple[Tensor, Tensor]:
    """[G, heads, P, size] and [R, heads, T, size] of packed rows [G, heads, L, size]."""
    prompts, longest, responses, most = layout.shape
    tokens = values.transpose(1, 2).flatten(0, 1)
    slots = _moved(tokens, layout.token_of, layout.slot_of, layout.token_pads)
    border, each = prompts * longest, tokens.shape[1:]
    return (
        slots[:border].view(prompts, longest, *each).transpose(1, 2),
        slots[border:].view(responses, most, *each).transpose(1, 2),
    )


def _together(parts: tuple[Tensor, Tensor], layout: PackedLayout) -> Tensor:
    """[G * L, heads, size] of the prompts' [G, P, heads, size] and the responses' [R, T, heads, size]."""
    slots = torch.cat([part.flatten(0, 1) for part in parts])
    return _moved(slots, layout.slot_of, layout.token_of, layout.slot_pads)


def _repeated(prompts: Tensor, counts: Sequence[int]) -> Tensor:
    """Each of [G, ...] as often as its count says: [R, ...]."""
    return torch.cat(
        [prompt.expand(count, *prompt.shape) for prompt, count in zip(prompts, counts, strict=True)]
    )


def _moved(values: Tensor, to: Tensor, back: Tensor, unused: Tensor) -> Tensor:
    found: Tensor = _Moved.apply(values, to, back, unused)  # type: ignore[no-untyped-call]
    return found


class _Moved(torch.autograd.Function):
    """Rows picked by `to`; the gradient comes back by `back`, and to the rows `unused` comes none.

    Every row but pads moves to one place, so that the way back is a pick as well: adding up by index, as the
    gradient of a pick does, is several times slower.
    """

    @staticmethod
    def forward(context: Any, values: Tensor, to: Tensor, back: Tensor, unused: Tensor) -> Tensor:
        """[n, ...] of [m, ...]."""
        context.save_for_backward(back, unused)
        return values.index_select(0, to)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """[m, ...] of [n, ...]."""
        back, unused = context.saved_tensors
        return gradient.index_select(0, back).index_fill_(0, unused, 0), None, None, None


AttentionInterface.register(PACKED, packed_attention)
AttentionMaskInterface.register(PACKED, sdpa_mask)
