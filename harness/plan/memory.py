"""How much memory a recipe needs at the least: weights, gradients and Adam's state, before any activation."""

from collections.abc import Iterator, Mapping

from harness.recipe.data import judges_of
from harness.recipe.judges import LocalJudge, RewardModelJudge
from harness.recipe.model import HfModel
from harness.recipe.schema import Recipe

BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0}
FOUR_BITS = 0.5625
"""Bytes of a weight in NF4 with its scales: 4.5 bits (QLoRA, arXiv 2305.14314)."""
TRAINED = 16.0
"""Bytes of a trained weight: itself, its gradient and Adam's two moments, each in fp32."""


def least_bytes(recipe: Recipe, parameters: Mapping[str, float]) -> float:
    """The most that any one task holds of weights and of what training keeps for them.

    Args:
        recipe: the recipe.
        parameters: of each model by name, the policy's under ""; 0 where not known.
    """
    return max(_each(recipe, parameters))


def _each(recipe: Recipe, parameters: Mapping[str, float]) -> Iterator[float]:
    policy, training = parameters.get("", 0.0), recipe.training
    if training.weights == "full":
        yield TRAINED * policy
    else:
        yield policy * (FOUR_BITS if training.weights == "qlora" else BYTES[training.precision])
    yield policy * (BYTES[recipe.model.dtype] if isinstance(recipe.model, HfModel) else BYTES["fp32"])
    for _, judge in judges_of(recipe):
        if isinstance(judge, RewardModelJudge | LocalJudge):
            yield parameters.get(judge.name, 0.0) * BYTES[judge.dtype]
