"""Attention of packed rows against one masked attention over whole rows."""

import torch
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from harness.training.packed_attention import packed_attention, packed_layout

PROMPTS, RESPONSES = (3, 1), ((2, 0, 1), (4,))
LENGTH = 6


class Layer(nn.Module):
    """What attention asks of the layer that calls it: heads for each of keys and values."""

    num_key_value_groups = 2
    is_causal = True


def dense_mask() -> Tensor:
    """[2, 1, 6, 6] who sees whom, written out: rows p p p a a c and p d d d d _."""
    first = ["1.....", "11....", "111...", "1111..", "11111.", "111..1"]
    second = ["1.....", "11....", "111...", "1111..", "11111.", ".....1"]
    return torch.tensor([[[[mark == "1" for mark in line] for line in rows]] for rows in (first, second)])


def test_the_layout_of_two_rows_by_hand() -> None:
    """Slots: prompts 012 | 3__, responses aa__ | ____ | c___ | dddd, of tokens 0-5 and 6-11."""
    layout = packed_layout(PROMPTS, RESPONSES, torch.device("cpu"))
    assert layout.shape == (2, 3, 4, 4)
    assert layout.counts == (3, 1)
    filled = [0, 1, 2, 3, 6, 7, 14, 18, 19, 20, 21]
    assert layout.token_of[filled].tolist() == [0, 1, 2, 6, 3, 4, 5, 7, 8, 9, 10]
    assert layout.slot_pads.tolist() == sorted(set(range(22)) - set(filled))
    assert layout.slot_of[:11].tolist() == [0, 1, 2, 6, 7, 14, 3, 18, 19, 20, 21]
    assert layout.token_pads.tolist() == [11]
    assert layout.seen.shape == (4, 1, 4, 7)
    assert layout.seen[0, 0, 1].tolist() == [True, True, True, True, True, False, False]
    assert layout.seen[3, 0, 0].tolist() == [True, False, False, True, False, False, False]


def test_values_and_gradients_are_those_of_a_mask_over_whole_rows() -> None:
    """In float64, of all but the pad, whose output nobody reads; keys and values have half the heads."""
    torch.manual_seed(0)
    given = [torch.randn(2, heads, LENGTH, 8, dtype=torch.float64, requires_grad=True) for heads in (4, 2, 2)]
    weight = torch.randn(2, LENGTH, 4, 8, dtype=torch.float64)
    weight[1, 5] = 0
    layout = packed_layout(PROMPTS, RESPONSES, torch.device("cpu"))
    query, key, value = given
    plain, _ = sdpa_attention_forward(Layer(), query, key, value, dense_mask())
    ours, _ = packed_attention(Layer(), query, key, value, None, layout)
    torch.testing.assert_close(ours * (weight != 0), plain * (weight != 0))
    slopes, expected = (torch.autograd.grad((each * weight).sum(), given) for each in (ours, plain))
    torch.testing.assert_close(slopes, expected)
