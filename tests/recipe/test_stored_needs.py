"""Whose log-probabilities are the reference of which training."""

from itertools import product
from typing import Any

import pytest
from recipe_documents import HUB, REAL, WORLD, recipe

from harness.recipe.reference import arithmetic_of, row_needs, scored_alike

ALIKE = {("fp32", "lora", "fp32"), ("fp32", "full", "fp32"), ("bf16", "lora", "bf16")}
"""(dtype of scoring, weights trained, precision of training)"""


def test_only_the_same_arithmetic_gives_the_same_values() -> None:
    """All weights are trained in fp32, which bf16 scoring has rounded; four bits are other weights."""
    every = product(("fp32", "bf16"), ("lora", "full", "qlora"), ("fp32", "bf16", "fp16"))
    assert {each for each in every if scored_alike(*each)} == ALIKE  # type: ignore[arg-type]


SFT = {"data": {"path": "sft.jsonl"}, "steps": 1, "learning_rate": 1e-3}


@pytest.mark.parametrize(
    ("document", "model", "precision", "alike"),
    [
        (WORLD, {"kind": "atlas"}, "fp32", True),
        (WORLD, {"kind": "atlas"}, "bf16", False),
        (REAL, {"kind": "random"}, "fp32", True),
        (REAL, {"kind": "hf", **HUB}, "fp32", False),
        (REAL, {"kind": "hf", **HUB}, "bf16", True),
        (REAL, {"kind": "hf", "dtype": "fp32", **HUB}, "fp32", True),
        (REAL, {"kind": "hf", "sft": SFT, **HUB}, "bf16", True),  # which leaves the dtype as it is
    ],
)
def test_the_dtype_is_that_of_the_start(
    document: dict[str, Any], model: dict[str, Any], precision: str, alike: bool
) -> None:
    """A model of the hub has bf16 weights by default."""
    found = recipe(document, model=model, training__precision=precision)
    assert (arithmetic_of(found, found.training) is None) == alike


@pytest.mark.parametrize(
    ("loss", "batching", "needed"),
    [
        ("dpo", "prompts", {"reference"}),
        ("ld-dpo", "prompts", {"reference", "common"}),
        ("simpo", "prompts", set()),
        ("wpo", "prompts", {"reference"}),
        ("dpo", "pairs", set()),
        ("ld-dpo", "pairs", {"common"}),
    ],
)
def test_sums_of_pairs_are_trls_own(loss: str, batching: str, needed: set[str]) -> None:
    found = recipe(WORLD, training__batching=batching, loss={"kind": loss})
    assert row_needs(found.loss.needs, found.training.batching) == needed
