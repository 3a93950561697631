"""Rendering and encoding, against ids written by hand (word wN is N + 6)."""

import copy

import pytest

from harness.data.tokens import Encoded
from harness.errors import BadInput
from harness.models.chat import encode, prompt_ids, render_prompt, template_hash
from harness.models.load import Policy

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
