"""Sampling: the right law, and no dependence on what is sampled beside a response."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from templates import LLAMA_3, tokenizer_with

from harness.data.rows import Prompt, Response
from harness.models.chat import end_ids, prompt_ids
from harness.models.load import Policy
from harness.models.sampling import Sampling, response_of, sample

TEXTS = [" ".join(f"w{number + step}" for step in range(number % 4 + 1)) for number in range(9)]
PROMPTS = [Prompt(str(number), text) for number, text in enumerate(TEXTS)]
SETTINGS = Sampling(per_prompt=3, temperature=1.0, max_new_tokens=8, seed=0, stream="test")


@pytest.fixture(scope="module")
def drawn(tiny_policy: Policy) -> list[Response]:
    return sample(tiny_policy, PROMPTS, SETTINGS)


def chi_square(counts: np.ndarray, probabilities: np.ndarray) -> float:
    """p-value of the counts under the law; tokens expected fewer than 5 times are taken together."""
    expected = probabilities * counts.sum()
    rare = expected < 5
    observed = np.append(counts[~rare], counts[rare].sum())
    return float(stats.chisquare(observed, np.append(expected[~rare], expected[rare].sum())).pvalue)


def test_first_tokens_follow_the_softmax_at_the_temperature(tiny_policy: Policy) -> None:
    """4,000 draws; the law at another temperature is refused by the same test, so the test has power."""
    ids = torch.tensor([prompt_ids(tiny_policy.tokenizer, "w1 w2")])
    logits = tiny_policy.model(ids).logits[0, -1].double().detach()
    settings = Sampling(4000, 0.7, 1, 0, "law", batch_size=1000)
    responses = sample(tiny_policy, [Prompt("p", "w1 w2")], settings)
    names = tiny_policy.tokenizer.convert_ids_to_tokens(list(range(60)))
    words = [response.text if not response.finished else "<eos>" for response in responses]
    visible = np.array([not name.startswith("<") or name == "<eos>" for name in names])
    counts = np.array([words.count(name) for name in names]) * visible
    counts[np.flatnonzero(~visible)[0]] = words.count("")  # special tokens decode to nothing: one class
    assert counts.sum() == 4000
    for temperature, accepted in ((0.7, True), (1.0, False)):
        law = (logits / temperature).softmax(-1).numpy()
        law[np.flatnonzero(~visible)[0]] = law[~visible].sum()
        law[np.flatnonzero(~visible)[1:]] = 0
        assert (chi_square(counts, law) > 0.01) is accepted


@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_response_does_not_depend_on_its_batch(
    tiny_policy: Policy, drawn: list[Response], batch_size: int
) -> None:
    assert sample(tiny_policy, PROMPTS, replace(SETTINGS, batch_size=batch_size)) == drawn


def test_a_response_does_not_depend_on_the_other_prompts(tiny_policy: Policy, drawn: list[Response]) -> None:
    alone = sample(tiny_policy, [PROMPTS[5]], replace(SETTINGS, per_prompt=2))
    assert alone == [row for row in drawn if row.prompt_id == "5" and row.index < 2]


def test_order_is_by_prompt_then_index(drawn: list[Response]) -> None:
    assert [(row.prompt_id, row.index) for row in drawn] == [(str(p), i) for p in range(9) for i in range(3)]


@pytest.mark.parametrize("other", [replace(SETTINGS, seed=1), replace(SETTINGS, stream="other")])
def test_seed_and_stream_change_the_draws(
    tiny_policy: Policy, drawn: list[Response], other: Sampling
) -> None:
    changed = sample(tiny_policy, PROMPTS, other)
    assert sum(new.text != old.text for new, old in zip(changed, drawn, strict=True)) > len(drawn) / 2


def test_tokens_count_the_end_and_a_cut_response_is_not_finished(
    tiny_policy: Policy, drawn: list[Response]
) -> None:
    long = sample(tiny_policy, PROMPTS, replace(SETTINGS, max_new_tokens=60))
    assert {row.finished for row in long} == {True, False}
    assert all(row.tokens == 60 for row in long if not row.finished)
    assert all(row.tokens == 8 for row in drawn if not row.finished)
    for row in long:
        words = tiny_policy.tokenizer(row.text, add_special_tokens=False)["input_ids"]
        assert len(words) + row.finished <= row.tokens  # equal but for special tokens inside the text


def greedy(policy: Policy, text: str, steps: int) -> list[int]:
    """The most likely token, one full forward pass at a time."""
    ids = list(prompt_ids(policy.tokenizer, text))
    for _ in range(steps):
        ids.append(int(policy.model(torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == policy.tokenizer.eos_token_id:
            break
    return ids[len(prompt_ids(policy.tokenizer, text)) :]


def test_temperature_zero_is_greedy(tiny_policy: Policy) -> None:
    responses = sample(tiny_policy, PROMPTS, replace(SETTINGS, per_prompt=1, temperature=0.0))
    for prompt, response in zip(PROMPTS, responses, strict=True):
        ids = greedy(tiny_policy, prompt.text, 8)
        assert response.tokens == len(ids)
        assert response.text == tiny_policy.tokenizer.decode(ids, skip_special_tokens=True)


def test_progress_reaches_the_number_of_responses(tiny_policy: Policy) -> None:
    seen: list[tuple[int, int]] = []
    settings = replace(SETTINGS, max_new_tokens=1, batch_size=20)
    sample(tiny_policy, PROMPTS, settings, lambda done, total: seen.append((done, total)))
    assert seen == [(20, 27), (27, 27)]


def test_a_response_ends_at_the_templates_end_of_turn_as_at_eos() -> None:
    tokenizer = tokenizer_with(LLAMA_3)
    turn, eos = tokenizer.convert_tokens_to_ids("<|eot_id|>"), tokenizer.eos_token_id
    hi = list(tokenizer("Hi", add_special_tokens=False)["input_ids"])
    assert response_of(tokenizer, "p", 0, [*hi, turn, *hi]) == Response("p", 0, "Hi", 3, True)
    assert response_of(tokenizer, "p", 0, [*hi, eos, turn]) == Response("p", 0, "Hi", 3, True)
    assert response_of(tokenizer, "p", 0, hi) == Response("p", 0, "Hi", 2, False)


def test_sampling_stops_at_the_end_of_turn(tiny_policy: Policy) -> None:
    """A template that ends a turn in <user>: what greedy search gives then is cut at the first <user>."""
    tokenizer = copy.deepcopy(tiny_policy.tokenizer)
    prompts = [Prompt(str(n), f"w{n}") for n in range(15)]
    settings = Sampling(per_prompt=1, temperature=0.0, max_new_tokens=20, seed=0, stream="test")
    tokenizer.chat_template += "{% if messages[-1]['role'] == 'assistant' %} <user>{% endif %}"
    assert end_ids(tokenizer) == (4, 2)
    responses = sample(Policy(tiny_policy.model, tokenizer), prompts, settings)
    ends = 0
    for prompt, response in zip(prompts, responses, strict=True):
        ids = greedy(tiny_policy, prompt.text, 20)
        if 4 in ids:
            ends += 1
            assert (response.finished, response.tokens) == (True, ids.index(4) + 1)
    assert ends > 0
