"""The base model learns, from the training half alone, and comes out the same bit by bit."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.tokens import Encoded, pad, response_logprobs
from harness.models.load import load_policy
from harness.models.sampling import Sampling, sample
from harness.world.base_model import SftReport, SftSettings, response_loss, sft_examples, train_base_model
from harness.world.facts import make_world
from harness.world.oracle import grade
from harness.world.prompts import held_out_half, held_out_prompts, training_half
from harness.world.tokenizer import make_tokenizer

WORLD = make_world(0)
SHORT = SftSettings(steps=40, hidden=32, layers=1, heads=2, intermediate=64, learning_rate=1e-2)


@pytest.fixture(scope="module")
def short_base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SftReport]:
    """A base model trained for a second: it knows the words, few of the facts."""
    folder = tmp_path_factory.mktemp("atlas") / "base"
    return folder, train_base_model(WORLD, folder, SHORT)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_same_seed_same_bits_and_no_trace(short_base: tuple[Path, SftReport], tmp_path: Path) -> None:
    """Whatever the global random state is, it neither matters nor changes."""
    torch.manual_seed(99)
    before = torch.get_rng_state()
    done: list[tuple[int, int]] = []
    report = train_base_model(WORLD, tmp_path / "a", SHORT, lambda step, steps: done.append((step, steps)))
    assert torch.equal(before, torch.get_rng_state())
    assert report == short_base[1]
    assert weights(tmp_path / "a") == weights(short_base[0])
    assert done == [(step, 40) for step in range(1, 41)]


def test_another_seed_other_bits(tmp_path: Path) -> None:
    train_base_model(WORLD, tmp_path, replace(SHORT, steps=1, seed=1))
    train_base_model(WORLD, tmp_path / "b", replace(SHORT, steps=1))
    assert weights(tmp_path) != weights(tmp_path / "b")


def test_it_learns(short_base: tuple[Path, SftReport]) -> None:
    """An untrained model spreads over 173 words: ln 173 = 5.15 nats. Grammar alone brings it below 3."""
    report = short_base[1]
    assert report.loss_first == pytest.approx(math.log(173), abs=0.3)
    assert report.loss_last < 3
    assert 40 * 32 * 10 < report.tokens < 40 * 32 * 30


def test_it_loads_and_speaks(short_base: tuple[Path, SftReport]) -> None:
    policy = load_policy(short_base[0])
    prompts = held_out_prompts(WORLD, 20, seed=0)
    responses = sample(policy, prompts, Sampling(1, 1.0, 48, 0, "test"))
    assert any(response.finished for response in responses)
    scores = [
        grade(WORLD, prompt, response.text).score for prompt, response in zip(prompts, responses, strict=True)
    ]
    assert max(scores) > 0


def test_examples_come_from_the_training_half() -> None:
    """2,000 examples: all prompts are training prompts, all answers end in their only EOS."""
    tokenizer = make_tokenizer(WORLD)
    training = {f"<bos> <user> {prompt.text} <assistant>" for prompt in training_half(WORLD)}
    held_out = {f"<bos> <user> {prompt.text} <assistant>" for prompt in held_out_half(WORLD)}
    examples = list(itertools.islice(sft_examples(WORLD, tokenizer, np.random.default_rng(0)), 2000))
    seen = {tokenizer.decode(example.prompt) for example in examples}
    assert seen <= training
    assert not seen & held_out
    assert len(seen) > 1000
    assert all(
        example.response.count(tokenizer.eos_token_id) == 1 and example.response[-1] == tokenizer.eos_token_id
        for example in examples
    )


def test_loss_is_the_plain_one(short_base: tuple[Path, SftReport]) -> None:
    """Against the yardstick: attention mask given, all logits computed, log-probabilities summed by row."""
    model = load_policy(short_base[0]).model
    batch = pad([Encoded((1, 4, 20, 5), (30, 31, 2)), Encoded((1, 4, 21, 22, 23, 5), (40, 2))], 0)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    plain = -response_logprobs(logits, batch).sum() / 5
    assert torch.allclose(response_loss(model, batch), plain, atol=1e-5)
