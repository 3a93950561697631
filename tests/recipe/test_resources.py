"""What a recipe says of a cluster."""

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.leaderboard.collect import fixed_part
from harness.plan.build import build_plan
from harness.plan.catalog import STAGES
from harness.recipe.load import load_recipe
from harness.recipe.resources import Needs, Resources

RECIPE = """
title = "test"
baseline = "a"
[budget]
responses = 64
[training]
steps = 2
learning_rate = 1e-3
[methods.a]
responses_per_prompt = 4
"""


def test_every_table_is_a_stage() -> None:
    assert set(Resources.model_fields) - {"default", "training"} <= set(STAGES)


def test_a_stage_has_its_own_table_or_the_default() -> None:
    resources = Resources(default=Needs(cpus=2.0), adapter=Needs(gpus=0.5, memory_gb=40.0))
    assert (resources.of("scores").cpus, resources.of("adapter").gpus) == (2.0, 0.5)
    assert resources.of("adapter").cpus == 1.0


def test_they_enter_no_key_and_no_board(tmp_path: Path) -> None:
    plain, sharded = tmp_path / "plain.toml", tmp_path / "sharded.toml"
    plain.write_text(RECIPE)
    sharded.write_text(RECIPE + "[resources.responses]\nshards = 4\ngpus = 1.0\n")
    recipes = [load_recipe(path) for path in (plain, sharded)]
    one, other = ([task.key for task in build_plan(recipe).tasks] for recipe in recipes)
    assert one == other
    assert fixed_part(recipes[0]) == fixed_part(recipes[1])


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("[resources.adaptor]\ngpus = 1.0", "resources.adaptor: unknown key. Did you mean 'adapter'?"),
        ("[resources.adapter]\nshards = 2", "resources.adapter.shards: unknown key"),
        ("[resources.responses]\nshards = 0", "resources.responses.shards: must be at least 1. Got 0."),
    ],
)
def test_mistakes_are_told(tmp_path: Path, table: str, sentence: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(f"{RECIPE}{table}\n")
    with pytest.raises(BadInput) as caught:
        load_recipe(path)
    assert sentence in str(caught.value)
