"""What benchmarks measure against does the same work as what they measure."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import nn

from benchmarks import less
from benchmarks.grouped import make_work
from benchmarks.memory import peak_allocated
from benchmarks.plain_pairs import RowPair, pair_by_pair_loss, prompt_pairs, scored
from benchmarks.shapes import TINY, random_model
from harness.data.tokens import pad, response_logprobs
from harness.training.grouped import Prefix

SHAPE = replace(TINY, hidden=16, layers=2, intermediate=32, vocabulary=50, prompt=5, response=4)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """A tiny random Llama with an adapter that has been trained a little."""
    return random_model(SHAPE, rank=2, b_std=0.3)


def places(pairs: list[RowPair]) -> list[tuple[int, int]]:
    """Pairs as numbers of rows, in the order in which they are first seen."""
    seen = list(dict.fromkeys(row for pair in pairs for row in pair))
    return [(seen.index(chosen), seen.index(rejected)) for chosen, rejected in pairs]


def test_pairs_of_a_prompt_use_all_its_responses_and_differ() -> None:
    """Four responses: 0-1, 1-2, 2-3, 3-0, then 0-2."""
    pairs = prompt_pairs(SHAPE, responses=4, pairs=5)
    assert places(pairs) == [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)]
    assert {(len(row.prompt), len(row.response)) for pair in pairs for row in pair} == {(5, 4)}
    assert len({row.prompt for pair in pairs for row in pair}) == 1
    sixteen = places(prompt_pairs(SHAPE, responses=8, pairs=16))
    assert len({frozenset(pair) for pair in sixteen}) == 16


def test_the_plain_step_scores_as_the_whole_head_does(model: nn.Module) -> None:
    rows = [row for pair in prompt_pairs(SHAPE, 4, 2) for row in pair]
    batch = pad([*rows, replace(rows[0], response=rows[0].response[:2])], pad_id=0)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    torch.testing.assert_close(scored(model, batch), response_logprobs(logits, batch))


def test_the_plain_loss_at_the_reference_is_ln_2(model: nn.Module) -> None:
    """With reference = policy every margin is 0; a chosen reference higher by 1 / beta costs softplus(1)."""
    pairs = prompt_pairs(SHAPE, 4, 2)
    rows = list(dict.fromkeys(row for pair in pairs for row in pair))
    reference = dict(zip(rows, scored(model, pad(rows, pad_id=0)).tolist(), strict=True))
    loss = pair_by_pair_loss(model, pairs, reference, beta=0.5)
    assert loss.item() == pytest.approx(0.693147, abs=1e-5)
    reference[rows[0]] += 2.0
    worse = pair_by_pair_loss(model, pairs, reference, beta=0.5)
    assert worse.item() == pytest.approx((1.313262 + 0.693147) / 2, abs=1e-5)


@pytest.mark.parametrize("way", get_args(Prefix))
def test_the_grouped_step_does_the_plain_steps_work(model: nn.Module, way: Prefix) -> None:
    """Loss and gradient of six pairs of four responses, at a reference that is another policy."""
    work = make_work(model, SHAPE, responses=4, pairs=6)
    moved = {row: value + at for at, (row, value) in enumerate(work.reference.items())}
    work = replace(work, reference=moved)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    found = []
    for loss in (work.plain(), work.grouped(way)):
        parts = torch.autograd.grad(loss, weights)
        found.append((loss.detach(), torch.cat([part.flatten() for part in parts])))
    (plain, plain_gradient), (grouped, gradient) = found
    torch.testing.assert_close(grouped, plain, rtol=1e-6, atol=0)
    assert (gradient - plain_gradient).norm() <= 1e-5 * plain_gradient.norm()


def test_the_gradient_of_a_pair_is_that_of_the_plain_loss(model: nn.Module) -> None:
    """The way of LESS at the reference: -1/2 beta (g_w - g_l), as one pair's plain step has it."""
    (pair,) = prompt_pairs(SHAPE, 2, 1)
    values = scored(model, pad(pair, pad_id=0)).tolist()
    loss = pair_by_pair_loss(model, [pair], dict(zip(pair, values, strict=True)), less.BETA)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    plain = torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, weights)])
    (found,) = less.pair_gradients(model, [pair])
    torch.testing.assert_close(found, plain)


def test_the_peak_of_allocated_bytes_by_hand() -> None:
    """A thousand floats, then two thousand, of which the first are released before the third thousand."""

    def work() -> None:
        first = torch.ones(1000)
        second = torch.ones(2000)
        del first
        third = torch.ones(1000)
        del second, third

    assert peak_allocated(work) == pytest.approx(12_000, rel=0.1)
