"""Rendering and encoding, against ids written by hand (word wN is N + 6)."""

import copy
from typing import Any

import pytest
from templates import CHATML, GEMMA, HIDDEN_THINKING, LLAMA_2, LLAMA_3, MISTRAL, QWEN, tokenizer_with

from harness.data.tokens import Encoded
from harness.errors import BadInput
from harness.models import chat
from harness.models.chat import encode, end_ids, end_of_turn, prompt_ids, render_prompt, template_hash
from harness.models.load import Policy
from harness.world.facts import make_world
from harness.world.tokenizer import make_tokenizer

BOS, EOS, USER, ASSISTANT = 1, 2, 4, 5


def test_a_prompt_is_a_user_turn_and_the_start_of_an_answer(tiny_policy: Policy) -> None:
    assert render_prompt(tiny_policy.tokenizer, "w1 w2") == "<bos> <user> w1 w2 <assistant>"
    assert prompt_ids(tiny_policy.tokenizer, "w1 w2") == (BOS, USER, 7, 8, ASSISTANT)


def test_only_a_finished_response_ends_in_eos(tiny_policy: Policy) -> None:
    prompt = (BOS, USER, 6, ASSISTANT)
    assert encode(tiny_policy.tokenizer, "w0", "w3 w4", finished=True) == Encoded(prompt, (9, 10, EOS))
    assert encode(tiny_policy.tokenizer, "w0", "w3 w4", finished=False) == Encoded(prompt, (9, 10))
    assert encode(tiny_policy.tokenizer, "w0", "", finished=True) == Encoded(prompt, (EOS,))


def test_no_special_token_is_added_beside_those_of_the_template(tiny_policy: Policy) -> None:
    row = encode(tiny_policy.tokenizer, "w0", "w1", finished=True)
    assert (row.prompt + row.response).count(BOS) == 1


def test_a_tokenizer_without_a_template_is_refused(tiny_policy: Policy) -> None:
    bare = copy.deepcopy(tiny_policy.tokenizer)
    bare.chat_template = None
    with pytest.raises(BadInput, match=r"has no chat template\. Use an instruction-tuned model"):
        render_prompt(bare, "w0")


def test_the_hash_names_the_template(tiny_policy: Policy) -> None:
    other = copy.deepcopy(tiny_policy.tokenizer)
    assert template_hash(other) == template_hash(tiny_policy.tokenizer)
    other.chat_template += " "
    assert template_hash(other) != template_hash(tiny_policy.tokenizer)
    assert len(template_hash(other)) == 16


@pytest.mark.parametrize(
    ("template", "end"),
    [
        (CHATML, "<|im_end|>"),
        (QWEN, "<|im_end|>"),
        (HIDDEN_THINKING, "<|im_end|>"),
        (LLAMA_3, "<|eot_id|>"),
        (GEMMA, "<end_of_turn>"),
        (MISTRAL, "<|eos|>"),
        (LLAMA_2, "<|eos|>"),
        ("{{ messages[0]['content'] }}", "<|eos|>"),
        ("{{ bos_token }}", "<|eos|>"),
        ("{{ raise_exception('no') }}", "<|eos|>"),
        (None, "<|eos|>"),
    ],
)
def test_a_turn_ends_in_the_token_that_the_template_writes(template: str | None, end: str) -> None:
    tokenizer = tokenizer_with(template)
    assert tokenizer.convert_ids_to_tokens(end_of_turn(tokenizer)) == end
    assert set(end_ids(tokenizer)) == {end_of_turn(tokenizer), tokenizer.eos_token_id}


def test_a_response_is_taught_to_end_as_the_template_ends_it() -> None:
    tokenizer = tokenizer_with(LLAMA_3)
    row = encode(tokenizer, "Hi", "Hello", finished=True)
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert list(row.prompt + row.response) == tokenizer.apply_chat_template(turns)["input_ids"]


def test_the_ends_of_the_tiny_model_and_of_the_atlas_are_eos(tiny_policy: Policy) -> None:
    atlas = make_tokenizer(make_world(0))
    for tokenizer in (tiny_policy.tokenizer, atlas):
        assert end_ids(tokenizer) == (tokenizer.eos_token_id,)


def test_another_template_on_the_same_tokenizer_has_its_own_end() -> None:
    tokenizer = tokenizer_with(CHATML)
    first = end_of_turn(tokenizer)
    tokenizer.chat_template = GEMMA
    assert end_of_turn(tokenizer) != first


def test_rows_share_the_objects_of_their_ids() -> None:
    """A million rows would else hold a million copies of a frequent one; Python itself shares up to 256."""

    def tokenizer(text: str, **_: Any) -> Any:
        return {"input_ids": [int(word) for word in text.split()]}

    as_one: Any = tokenizer
    one, other = (chat._ids(as_one, "1000 70000") for _ in range(2))
    assert one == other == (1000, 70000)
    assert all(first is second for first, second in zip(one, other, strict=True))
