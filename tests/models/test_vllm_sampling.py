"""What is handed to vLLM, and what is made of its answers. The engine needs a GPU and is not run here."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from templates import LLAMA_3, tokenizer_with

from harness.data.rows import Prompt, Response
from harness.errors import BadInput
from harness.models.chat import prompt_ids
from harness.models.sampling import Sampling
from harness.models.source import Source, write_source
from harness.models.vllm_sampling import (
    Request,
    _response,
    engine_arguments,
    make_requests,
    sample_with_vllm,
    sampling_arguments,
)

SETTINGS = Sampling(per_prompt=2, temperature=0.7, max_new_tokens=9, seed=3, stream="pool")
PROMPTS = [Prompt("a", "Hi"), Prompt("b", "Why?", history=({"role": "user", "content": "Hi"},))]


def test_requests_are_the_rendered_prompts_in_order() -> None:
    tokenizer = tokenizer_with(LLAMA_3)
    requests = make_requests(tokenizer, PROMPTS, SETTINGS)
    assert [(each.prompt_id, each.index) for each in requests] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert requests[0].tokens == requests[1].tokens == prompt_ids(tokenizer, "Hi")
    assert requests[2].tokens == prompt_ids(tokenizer, PROMPTS[1].turns)


def test_a_seed_depends_on_its_place_alone() -> None:
    """Seed, stream, prompt and index; not on what else is asked for. vLLM takes seeds of 64 bits."""
    tokenizer = tokenizer_with(LLAMA_3)
    requests = make_requests(tokenizer, PROMPTS, SETTINGS)
    assert make_requests(tokenizer, PROMPTS[1:], SETTINGS) == requests[2:]
    others = [
        make_requests(tokenizer, PROMPTS, replace(SETTINGS, seed=4)),
        make_requests(tokenizer, PROMPTS, replace(SETTINGS, stream="outputs")),
    ]
    seeds = [each.seed for each in (*requests, *others[0], *others[1])]
    assert len(set(seeds)) == 12
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_draw_is_plain_and_stops_where_transformers_does() -> None:
    tokenizer = tokenizer_with(LLAMA_3)
    ends = tokenizer.convert_tokens_to_ids(["<|eot_id|>", "<|eos|>"])
    assert sampling_arguments(tokenizer, SETTINGS, Request("a", 0, (1,), seed=5)) == {
        "temperature": 0.7,
        "max_tokens": 9,
        "seed": 5,
        "stop_token_ids": ends,
        "detokenize": False,
    }


def test_the_engine_is_told_what_the_pointer_says(tiny_base: Path, tmp_path: Path) -> None:
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    write_source(base, Source(str(tiny_base), dtype="bf16"))
    plain = engine_arguments(base, None)
    assert plain["model"] == plain["tokenizer"] == str(tiny_base)
    assert (plain["dtype"], plain["trust_remote_code"]) == ("bfloat16", False)
    assert "enable_lora" not in plain
    adapter.mkdir()
    for rank, allowed in ((4, 8), (24, 32), (64, 64)):  # vLLM takes powers of two from 8
        (adapter / "adapter_config.json").write_text(json.dumps({"r": rank}))
        assert engine_arguments(base, adapter) == plain | {"enable_lora": True, "max_lora_rank": allowed}
    assert engine_arguments(base, tiny_base)["model"] == str(tiny_base)


@pytest.mark.parametrize(
    ("tokens", "reason", "expected"),
    [
        ("Hi<|eot_id|>", "stop", Response("a", 1, "Hi", 3, True)),
        ("Hi<|eos|>", "stop", Response("a", 1, "Hi", 3, True)),
        ("Hi", "stop", Response("a", 1, "Hi", 3, True)),
        ("Hi", "length", Response("a", 1, "Hi", 2, False)),
    ],
)
def test_an_answer_becomes_a_row(tokens: str, reason: str, expected: Response) -> None:
    """A byte is a token, and so is the end, whether vLLM gives it or leaves it out."""
    tokenizer = tokenizer_with(LLAMA_3)
    ids = tokenizer(tokens, add_special_tokens=False)["input_ids"]
    output = SimpleNamespace(token_ids=ids, finish_reason=reason)
    assert _response(tokenizer, Request("a", 1, (1,), 0), output) == expected


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_the_package_it_is_one_sentence(tiny_base: Path) -> None:
    with pytest.raises(BadInput, match=r"needs the extra 'vllm' and a GPU\. Run: pip install"):
        sample_with_vllm(tiny_base, None, PROMPTS, SETTINGS)
