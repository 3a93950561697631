"""The formula of FLOPs against what torch counts on the tiny model, and how much it leaves out or adds."""

import warnings
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaForCausalLM, PreTrainedModel

from harness.metering import Meter
from harness.models.quiet import quiet

HIDDEN, LAYERS, ROWS = 32, 2, 4


def counted(model: PreTrainedModel, length: int) -> tuple[int, int]:
    """FLOPs forward and backward of `ROWS` rows of `length` tokens."""
    ids = torch.randint(6, 60, (ROWS, length))
    with FlopCounterMode(display=False) as forward:
        loss = model(input_ids=ids, labels=ids).loss
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    return forward.get_total_flops(), backward.get_total_flops()


def by_formula(model: PreTrainedModel, length: int) -> tuple[float, float]:
    total = sum(weight.numel() for weight in model.parameters())
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    forward, backward = Meter(), Meter()
    forward.count(forward=ROWS * length, parameters=total)
    backward.count(backward=ROWS * length, parameters=total, trainable=trained)
    return forward.cost.flops, backward.cost.flops


@pytest.fixture
def model(tiny_base: Path) -> PreTrainedModel:
    """With eager attention: on a CPU, torch counts no other."""
    with quiet():
        found: PreTrainedModel = LlamaForCausalLM.from_pretrained(tiny_base, attn_implementation="eager")
    return found


def test_a_pass_is_within_five_percent(model: PreTrainedModel) -> None:
    """Eight tokens, all weights trained. Measured: 3.7 % too few both ways, which is attention's share."""
    for found, formula in zip(counted(model, 8), by_formula(model, 8), strict=True):
        assert formula == pytest.approx(found, rel=0.05)


@pytest.mark.parametrize("length", [8, 32, 64])
def test_what_is_left_out_is_attention(model: PreTrainedModel, length: int) -> None:
    """4 x layers x hidden x length^2 for each row forward, twice that backward: with it all is within 1 %."""
    attention = 4 * LAYERS * HIDDEN * length**2 * ROWS
    forward, backward = counted(model, length)
    formula = by_formula(model, length)
    assert formula[0] + attention == pytest.approx(forward, rel=0.01)
    assert formula[1] + 2 * attention == pytest.approx(backward, rel=0.01)


def test_with_adapters_the_first_layer_counts_too_much(model: PreTrainedModel) -> None:
    """No gradient goes below the first layer, but the formula has one: 13 % of the backward pass with two.

    Measured: a step of 8 tokens 1 % too much, as attention's share is left out.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))
    found, formula = counted(adapted, 8), by_formula(adapted, 8)
    assert sum(formula) == pytest.approx(sum(found), rel=0.05)
    assert formula[1] > found[1]
