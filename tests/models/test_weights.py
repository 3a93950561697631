"""How large a model is, without loading it."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

from harness.errors import BadInput
from harness.models.load import Policy, load_policy
from harness.models.quiet import quiet
from harness.models.weights import Size, size_in_name, size_of_folder


def test_the_headers_say_what_the_model_and_its_adapter_hold(tiny_base: Path, tiny_policy: Policy) -> None:
    """Equal to what transformers and peft count, at rank 3."""
    size = size_of_folder(tiny_base)
    assert size.parameters == tiny_policy.model.num_parameters()
    with quiet():
        adapted = get_peft_model(load_policy(tiny_base).model, LoraConfig(r=3, target_modules="all-linear"))
    trained, _ = adapted.get_nb_trainable_parameters()
    assert 3 * size.per_rank == trained


def test_shards_are_added(tmp_path: Path) -> None:
    """4 x 2 and 3: 11 parameters; the one linear layer takes 4 + 2 for each rank."""
    save_file({"a.weight": torch.zeros(4, 2)}, tmp_path / "1.safetensors")
    save_file({"norm.weight": torch.zeros(3)}, tmp_path / "2.safetensors")
    index = '{"weight_map": {"a.weight": "1.safetensors", "norm.weight": "2.safetensors"}}'
    (tmp_path / "model.safetensors.index.json").write_text(index)
    assert size_of_folder(tmp_path) == Size(11, 6)


def headed(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 20, headed(b"nope"), headed(b"[]"), headed(b'{"a": {}}'), headed(b"[" * 100_000)],
    ids=["empty", "too long", "no JSON", "no table", "no shape", "deep"],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(BadInput, match=r"is no safetensors file\. Fetch it again\."):
        size_of_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("meta-llama/Meta-Llama-3-8B-Instruct", 8e9),
        ("Qwen/Qwen2.5-1.5B-Instruct", 1.5e9),
        ("Skywork/Skywork-Reward-V2-Qwen3-0.6B", 0.6e9),
        ("mistralai/Mistral-7B-Instruct-v0.2", 7e9),
        ("HuggingFaceTB/SmolLM2-135M", 135e6),
    ],
)
def test_a_name_may_state_the_size(name: str, parameters: float) -> None:
    assert size_in_name(name) == Size(parameters)


@pytest.mark.parametrize("name", ["gpt2", "13b/model", "model-v2", "4bit-model"])
def test_other_names_state_none(name: str) -> None:
    assert size_in_name(name) is None
