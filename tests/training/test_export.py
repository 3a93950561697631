"""Exported policies: they load by the usual means to the same logits, and their card says what they are."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForCausalLM, LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.errors import BadInput
from harness.models.load import load_policy
from harness.models.quiet import quiet
from harness.models.save import save_model
from harness.models.source import Source, write_source
from harness.training.adapter import save_policy
from harness.training.export import Card, card_text, export_policy

IDS = torch.tensor([[1, 4, 7, 9, 5]])
CARD = Card(
    recipe="Breadth and depth",
    name="balanced",
    method={"depth": {"kind": "gradient-clusters", "pairs": 4}},
    training={"steps": 48},
    data="the Atlas world, judged by its oracle",
    version="0.1.0",
    score="rank 1, win rate 61.2",
    licence="apache-2.0",
)


@pytest.fixture
def pointer(tiny_base: Path, tmp_path: Path) -> Path:
    write_source(tmp_path / "base", Source(str(tiny_base), template="{{ bos_token }}"))
    return tmp_path / "base"


@pytest.fixture
def adapter(tiny_base: Path, tmp_path: Path) -> Path:
    """A LoRA adapter that is far from the base, as training saves it, with other files beside it."""
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear", init_lora_weights=False)
    torch.manual_seed(1)
    with quiet():
        model = get_peft_model(load_policy(tiny_base).model, config)
    save_policy(model, tmp_path / "adapter")
    (tmp_path / "adapter" / "result.json").write_text("{}")
    return tmp_path / "adapter"


def test_an_adapter_names_its_base_and_loads_by_itself(
    pointer: Path, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    files = export_policy(pointer, adapter, tmp_path / "out", CARD)
    assert {"README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= set(files)
    assert "result.json" not in files
    with quiet():
        model = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "out").eval()
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    expected = load_policy(tiny_base, adapter).model(IDS).logits
    torch.testing.assert_close(model(IDS).logits, expected, rtol=1e-4, atol=1e-4)
    assert tokenizer.chat_template == "{{ bos_token }}"
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == (str(tiny_base), None)


def test_a_merged_model_needs_no_base(adapter: Path, tiny_base: Path, tmp_path: Path) -> None:
    """Nobody else has a base that a recipe makes, so its adapter is merged unasked."""
    files = export_policy(tiny_base, adapter, tmp_path / "out", CARD)
    assert "adapter_config.json" not in files
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    expected = load_policy(tiny_base, adapter).model(IDS).logits
    torch.testing.assert_close(model(IDS).logits, expected)
    assert model.generation_config.eos_token_id == [2]


def test_a_model_trained_as_a_whole_is_exported_as_one(
    pointer: Path, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    trained = load_policy(tiny_base, adapter)
    save_model(trained.model, trained.tokenizer, tmp_path / "whole")
    export_policy(pointer, tmp_path / "whole", tmp_path / "out", CARD)
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(model(IDS).logits, trained.model(IDS).logits)


def test_the_card_says_what_was_declared() -> None:
    source = Source("someone/tiny", "f" * 40)
    text = card_text(CARD, source, "0123456789abcdef", adapter=True)
    _, front, body = text.split("---\n", 2)
    assert front.splitlines() == [
        'base_model: "someone/tiny"',
        'library_name: "peft"',
        'pipeline_tag: "text-generation"',
        'license: "apache-2.0"',
        'tags: ["preference-optimization", "harness"]',
    ]
    for part in (
        'The method `balanced` of the recipe "Breadth and depth", trained by harness 0.1.0.',
        f"- Base model: `someone/tiny` at revision `{'f' * 40}`",
        "- Its licence: apache-2.0. It holds for this model, too.",
        "- Data: the Atlas world, judged by its oracle",
        "- Chat template: 0123456789abcdef",
        "- Result: rank 1, win rate 61.2",
        '"kind": "gradient-clusters"',
        '"steps": 48',
    ):
        assert part in body


def test_what_is_not_known_is_said_and_not_made_up(tiny_base: Path) -> None:
    text = card_text(replace(CARD, score="", licence=""), Source(str(tiny_base)), "0", adapter=False)
    assert "license:" not in text
    assert "base_model:" not in text.partition("---\n\n")[0], "a folder is no model of the hub"
    assert "- Its licence: not known; look it up" in text
    assert "- Result: not evaluated" in text
    assert "- Base model: made by the recipe itself" in card_text(CARD, Source(), "0", adapter=False)


def test_a_folder_in_use_and_an_empty_training_are_refused(
    pointer: Path, adapter: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"is not empty\. Export into a new folder"):
        export_policy(pointer, adapter, adapter, CARD)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BadInput, match="holds no trained weights"):
        export_policy(pointer, tmp_path / "nothing", tmp_path / "out", CARD)
    assert not (tmp_path / "out").exists()
