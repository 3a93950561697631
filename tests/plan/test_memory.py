"""The least memory of a recipe, by hand."""

from pathlib import Path

import pytest

from harness.plan.memory import least_bytes
from harness.recipe.load import load_recipe

PARAMETERS = {"": 1000.0, "judge/of": 3000.0}


def least(folder: Path, training: str, dtype: str = "bf16", judge: str = 'kind = "length"') -> float:
    text = f"""
title = "t"
baseline = "dpo"
[model]
kind = "hf"
name = "owner/policy"
revision = "{"a" * 40}"
dtype = "{dtype}"
[pool]
prompts = {{ kind = "dataset", path = "data.jsonl", count = 8 }}
judge = {{ {judge} }}
[budget]
responses = 8
[training]
steps = 1
learning_rate = 1e-3
{training}
[evaluation.alpaca_eval]
prompts = {{ kind = "held-out", count = 2 }}
judge = {{ kind = "length" }}
[methods.dpo]
responses_per_prompt = 2
"""
    (folder / "r.toml").write_text(text)
    return least_bytes(load_recipe(folder / "r.toml"), PARAMETERS)


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ('precision = "fp32"', 4000),  # frozen weights
        ('precision = "bf16"', 2000),
        ('precision = "fp16"', 2000),
        ('weights = "full"', 16000),  # weight, gradient and two moments
        ('weights = "qlora"', 2000),  # training holds 562.5, but sampling 2 bytes a weight
    ],
)
def test_of_training_and_sampling_the_larger_counts(tmp_path: Path, training: str, expected: float) -> None:
    assert least(tmp_path, training) == expected


def test_a_judge_may_be_the_largest(tmp_path: Path) -> None:
    """3000 parameters in bf16."""
    judge = f'kind = "reward-model", name = "judge/of", revision = "{"b" * 40}"'
    assert least(tmp_path, 'precision = "bf16"', judge=judge) == 6000
