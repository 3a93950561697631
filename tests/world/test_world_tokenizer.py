"""Every word has a token, a rendered prompt has one BOS, and text survives the way there and back."""

from pathlib import Path

import numpy as np
from transformers import AutoTokenizer

from harness.models.chat import encode, prompt_ids, render_prompt
from harness.world.facts import make_world
from harness.world.prompts import held_out_half, training_half
from harness.world.teacher import teacher_answer
from harness.world.tokenizer import make_tokenizer

WORLD = make_world(0)
TOKENIZER = make_tokenizer(WORLD)
PROMPTS = training_half(WORLD) + held_out_half(WORLD)


def test_rendering() -> None:
    turns = [{"role": "user", "content": "describe fefen ."}]
    expected = "<bos> <user> describe fefen . <assistant>"
    assert TOKENIZER.apply_chat_template(turns, add_generation_prompt=True, tokenize=False) == expected
    assert render_prompt(TOKENIZER, "describe fefen .") == expected
    whole = [*turns, {"role": "assistant", "content": "- color red ."}]
    assert TOKENIZER.apply_chat_template(whole, tokenize=False) == f"{expected} - color red . <eos>"


def test_one_bos_however_a_prompt_is_tokenised() -> None:
    rendered = render_prompt(TOKENIZER, PROMPTS[0].text)
    for add_special_tokens in (True, False):
        ids = TOKENIZER(rendered, add_special_tokens=add_special_tokens)["input_ids"]
        assert ids.count(TOKENIZER.bos_token_id) == 1
        assert tuple(ids) == prompt_ids(TOKENIZER, PROMPTS[0].text)


def test_no_word_is_unknown_and_text_comes_back() -> None:
    """One word is one token, in all 4,080 prompts and in one answer of the teacher to each."""
    rng = np.random.default_rng(0)
    for prompt in PROMPTS:
        answer = teacher_answer(WORLD, prompt, rng)
        ids = TOKENIZER(f"{prompt.text} {answer}")["input_ids"]
        assert TOKENIZER.unk_token_id not in ids
        assert TOKENIZER.decode(ids) == f"{prompt.text} {answer}"
        assert len(ids) == len(prompt.text.split()) + len(answer.split())


def test_finished_responses_end_in_eos() -> None:
    assert encode(TOKENIZER, "describe fefen .", "red .", True).response[-1] == TOKENIZER.eos_token_id
    assert TOKENIZER.eos_token_id not in encode(TOKENIZER, "describe fefen .", "red .", False).response


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert render_prompt(loaded, "describe fefen .") == render_prompt(TOKENIZER, "describe fefen .")
    assert loaded.get_vocab() == TOKENIZER.get_vocab()
    assert (loaded.eos_token_id, loaded.pad_token_id) == (TOKENIZER.eos_token_id, TOKENIZER.pad_token_id)
    assert loaded.decode(loaded("red .")["input_ids"]) == "red ."
