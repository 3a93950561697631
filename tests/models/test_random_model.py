"""The random model: any text goes in and comes out, and the same settings give the same bytes."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.rows import Prompt
from harness.models.chat import end_of_turn, prompt_ids, render_prompt
from harness.models.load import Policy, load_policy
from harness.models.random_model import Shape, byte_tokenizer, make_random_model
from harness.models.sampling import Sampling, sample

TOKENIZER = byte_tokenizer(64)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = tmp_path_factory.mktemp("random")
    make_random_model(folder, Shape())
    return load_policy(folder)


@settings(max_examples=40)
@given(st.text())
def test_every_byte_is_a_token_and_comes_back(text: str) -> None:
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    assert len(ids) == len(text.encode())
    assert TOKENIZER.decode(ids) == text


def test_the_vocabulary_is_256_bytes_and_six_special_tokens() -> None:
    assert len(TOKENIZER) == 262
    assert TOKENIZER.convert_ids_to_tokens(range(3)) == ["<|pad|>", "<|bos|>", "<|eos|>"]


def test_the_template_knows_all_roles_and_ends_an_assistants_turn() -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Why?"},
    ]
    expected = "<|bos|><|system|>Be brief.<|user|>Hi<|assistant|>Hello<|eos|><|user|>Why?<|assistant|>"
    assert render_prompt(TOKENIZER, turns) == expected
    assert end_of_turn(TOKENIZER) == TOKENIZER.eos_token_id == 2
    assert prompt_ids(TOKENIZER, "Hi") == (1, 4, *TOKENIZER.convert_tokens_to_ids(["H", "i"]), 5)


def test_the_same_settings_give_the_same_bytes_and_no_others(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_random_model(tmp_path / name, Shape(seed=seed))
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "model.safetensors" in files
    for file in files:
        one, two, other = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert one == two
        assert (one != other) is (file == "model.safetensors")


def test_the_global_random_state_is_left_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    make_random_model(tmp_path, Shape())
    assert torch.equal(torch.get_rng_state(), before)


def test_it_answers_any_prompt(policy: Policy) -> None:
    prompts = [Prompt("a", "Why is the sky blue?"), Prompt("b", "¿Qué es π? 🙂")]
    responses = sample(policy, prompts, Sampling(2, 1.0, max_new_tokens=12, seed=0, stream="test"))
    assert len({response.text for response in responses}) == 4
