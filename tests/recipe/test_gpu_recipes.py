"""The GPU-scale recipes are whole: they load, and can be planned without a network."""

from pathlib import Path

import pytest

from harness.plan.amounts import Facts
from harness.plan.build import build_plan
from harness.plan.costs import Estimate
from harness.plan.draw import DataFile
from harness.recipe.data import local_files
from harness.recipe.load import load_recipe, prompts_of
from harness.recipe.needs import needs_of

FOLDER = Path(__file__).parent.parent.parent / "recipes" / "gpu"
SCALE = FOLDER / "scale-1m.toml"
RECIPES = sorted(set(FOLDER.glob("*.toml")) - {SCALE})
CONTROLS = {"start", "null", "dpo", "dpo-random", "best-worst", "longest-chosen"}
COMPARED = {"uniform-2", "uniform-4", "balanced", "balanced-far"}


def test_there_are_four() -> None:
    assert [path.stem for path in RECIPES] == [
        "llama3-8b-ultrafeedback",
        "mistral-7b-saferlhf",
        "qwen2.5-7b-hh-rlhf",
        "single-24gb",
    ]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_gpu_recipe_is_whole(path: Path) -> None:
    """Everything comes from the hub at a commit; the methods share one budget of responses."""
    recipe = load_recipe(path)
    assert set(recipe.methods) == CONTROLS | COMPARED
    assert list(local_files(recipe)) == []
    needed = needs_of(recipe)
    assert len(needed.models) >= 2
    revisions = [model.revision for model in needed.models] + [data.revision for data in needed.data]
    assert {len(revision) for revision in revisions} == {40}
    paid = {
        prompts_of(recipe, method) * (method.responses_per_prompt or 0)
        for method in recipe.methods.values()
        if method.trains
    }
    assert paid == {recipe.budget.responses}
    assert recipe.training.learning_rate == 5e-6


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_gpu_recipe_can_be_planned(path: Path) -> None:
    """Ten methods in three replicates, and every stage that runs a model has a cost."""
    plan = build_plan(load_recipe(path))
    assert len(plan.cells) == 30
    estimate = Estimate(Facts(100, 200, {"": 1e9})).add(plan.tasks)
    for stage in ("responses", "adapter", "gradients", "outputs", "embeddings"):
        assert estimate.stages[stage].flops > 0, stage
    assert estimate.stages["alpaca_eval"].calls > 0


def test_the_million_prompts_can_be_planned() -> None:
    """All methods share 8 M responses, and one gradient bank of 16 KiB and 12 bytes for each."""
    recipe = load_recipe(SCALE)
    ((_, name),) = local_files(recipe)
    plan = build_plan(recipe, {name: DataFile(Path(name), "of its content")})
    stages = [task.stage for task in plan.tasks]
    assert stages.count("responses") == stages.count("gradients") == 1
    estimate = Estimate(Facts(150, 250, {"": 8e9})).add(plan.tasks)
    assert estimate.stages["gradients"].bytes == 8e6 * (8192 * 2 + 12)
    # 662 tokens of prompt and half-filled answer, at 2 x 8e9 FLOPs a token
    assert estimate.stages["responses"].flops == 8e6 * 662 * 16e9
    assert recipe.resources.responses is not None
