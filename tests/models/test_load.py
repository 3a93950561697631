"""Loading a policy: what is refused, what is dropped, and that a merged adapter is the adapter."""

import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from harness.errors import BadInput
from harness.models.load import load_policy
from harness.models.quiet import quiet
from harness.models.source import Source, write_source


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no model \(no config.json\)"):
        load_policy(tmp_path)


def test_a_tokenizer_without_eos_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    (base / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    with pytest.raises(BadInput, match="the tokenizer has no eos_token"):
        load_policy(base)


def test_a_missing_pad_token_becomes_eos(tiny_base: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    config = '{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<eos>"}'
    (base / "tokenizer_config.json").write_text(config)
    assert load_policy(base).tokenizer.pad_token_id == 2


def test_a_policy_is_frozen_fp32_and_without_sampling_settings_of_its_own(
    tiny_base: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    (base / "generation_config.json").write_text('{"repetition_penalty": 5.0, "do_sample": true}')
    model = load_policy(base).model
    assert model.generation_config.repetition_penalty is None
    assert not model.generation_config.do_sample
    assert model.generation_config.eos_token_id == [2]
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_a_merged_adapter_gives_the_logits_of_the_adapter(tiny_base: Path, tmp_path: Path) -> None:
    ids = torch.tensor([[1, 4, 7, 9, 5]])
    model = load_policy(tiny_base).model
    before = model(ids).logits
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear", init_lora_weights=False)
    torch.manual_seed(1)
    with quiet():
        adapted = get_peft_model(model, config).eval()
        adapted.save_pretrained(tmp_path / "adapter")
    expected = adapted(ids).logits
    merged = load_policy(tiny_base, tmp_path / "adapter").model(ids).logits
    assert (expected - before).abs().max() > 0.1
    torch.testing.assert_close(merged, expected, rtol=1e-4, atol=1e-4)


def test_whoever_generates_stops_at_the_templates_end_of_turn(tiny_base: Path, tmp_path: Path) -> None:
    """lm-eval generates with the model's own settings; <user> (4) ends a turn here, and <eos> is 2."""
    template = "{{ messages[-1]['content'] }}{% if messages[-1]['role'] == 'assistant' %} <user>{% endif %}"
    write_source(tmp_path, Source(str(tiny_base), template=template))
    assert load_policy(tmp_path).model.generation_config.eos_token_id == [4, 2]
