"""Which settings are tried, and what of a space is refused."""

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.recipe.load import load_recipe
from harness.recipe.losses import DpoLoss
from harness.recipe.schema import Recipe, Training
from harness.recipe.trials import space_of, trials_of, with_settings

FIXED = """
title = "test"
baseline = "dpo"
[budget]
responses = 64
[training]
steps = 4
learning_rate = 1e-3
"""
TUNING = """
[tuning]
trials = 4
space = { learning_rate = [1e-3, 3e-3], beta = [0.1, 0.5] }
"""
DPO = "[methods.dpo]\nresponses_per_prompt = 4\n"


def recipe_of(folder: Path, methods: str = DPO, tuning: str = TUNING) -> Recipe:
    path = folder / "r.toml"
    path.write_text(FIXED + tuning + methods)
    return load_recipe(path)


def pool_of(count: int) -> str:
    return f"[pool.prompts]\nkind = 'atlas'\ncount = {count}\n"


def test_a_space_as_large_as_the_trials_is_tried_whole(tmp_path: Path) -> None:
    """2 x 2 settings, the last axis fastest, whatever the seed."""
    recipe = recipe_of(tmp_path)
    expected = [{"learning_rate": rate, "beta": beta} for rate in (1e-3, 3e-3) for beta in (0.1, 0.5)]
    assert trials_of(recipe, recipe.methods["dpo"], seed=0) == expected
    assert trials_of(recipe, recipe.methods["dpo"], seed=1) == expected


def test_of_a_larger_space_some_are_drawn(tmp_path: Path) -> None:
    """10 x 10 settings: 4 different ones, the same for the same seed."""
    axis = [step / 10 for step in range(1, 11)]
    space = f"space = {{ learning_rate = {axis}, beta = {axis} }}"
    recipe = recipe_of(tmp_path, tuning=f"[tuning]\ntrials = 4\n{space}\n")
    first, again, other = (trials_of(recipe, recipe.methods["dpo"], seed) for seed in (0, 0, 1))
    assert len({(one["learning_rate"], one["beta"]) for one in first}) == 4
    assert first == again != other


def test_a_method_may_have_axes_of_its_own(tmp_path: Path) -> None:
    """One in place of the recipe's, and none where the list is empty."""
    own = "tuning = { space = { beta = [0.2, 0.4, 0.6, 0.8], learning_rate = [] } }\n"
    recipe = recipe_of(tmp_path, DPO + "[methods.own]\nresponses_per_prompt = 4\n" + own)
    assert space_of(recipe, recipe.methods["own"]) == {"beta": (0.2, 0.4, 0.6, 0.8)}
    assert list(space_of(recipe, recipe.methods["dpo"])) == ["learning_rate", "beta"]


def test_a_setting_takes_the_place_of_what_is_declared() -> None:
    training, loss = Training(steps=7, learning_rate=1e-3), DpoLoss(beta=0.1)
    assert with_settings(training, loss, {"learning_rate": 1, "beta": 0.3}) == (
        Training(steps=7, learning_rate=1.0),
        DpoLoss(beta=0.3),
    )
    assert with_settings(training, loss, {}) == (training, loss)


@pytest.mark.parametrize(
    ("tuning", "method", "sentence"),
    [
        (
            TUNING.replace("beta", "gamma"),
            "",
            "tuning.space.gamma: the loss of methods.dpo has none. Leave it out for this method: "
            "tuning = { space = { gamma = [] } }.",
        ),
        (
            TUNING,
            "tuning = { space = { betta = [1.0] } }",
            "methods.dpo.tuning.space.betta: the method's loss has none. Did you mean 'beta'?",
        ),
        (
            TUNING.replace("0.1, 0.5", "0.1, 0.0"),
            "",
            "tuning.space.beta: must be more than 0.0. Got 0.0.",
        ),
        (
            TUNING,
            "tuning = { space = { learning_rate = [1e-3, -1e-3] } }",
            "methods.dpo.tuning.space.learning_rate: must be more than 0.0. Got -0.001.",
        ),
        (
            TUNING,
            "loss = { kind = 'robust' }\ntuning = { space = { label_smoothing = [0.1, 0.7] } }",
            "methods.dpo.tuning.space.label_smoothing: must be less than 0.5. Got 0.7.",
        ),
        (
            TUNING,
            "tuning = { space = { beta = [1, 2, 1.0] } }",
            "methods.dpo.tuning.space.beta: each value once. Got [1, 2, 1.0].",
        ),
        (
            TUNING.replace("4", "5"),
            "",
            "tuning.trials: 5, but the space of methods.dpo has 4 settings. "
            "Lower it, or give the space more values.",
        ),
        (
            TUNING,
            "tuning = { space = { beta = [] } }",
            "tuning.trials: 4, but the space of methods.dpo has 2 settings. "
            "Lower it, or give the space more values.",
        ),
        (
            TUNING,
            "training = { learning_rate = 0.2 }",
            "methods.dpo.training.learning_rate: 0.2 is never used, because tuning tries learning rates. "
            "Remove it, or leave them out for this method: tuning = { space = { learning_rate = [] } }.",
        ),
        (
            "",
            "tuning = { space = { beta = [1.0] } }",
            "methods.dpo.tuning: the recipe has no table `tuning`. Add it, or remove this one.",
        ),
        (TUNING.replace("[0.1, 0.5]", "[]"), "", "tuning.space.beta: must not be empty. Got []."),
        (
            TUNING,
            "[methods.none]\ntuning = { space = { beta = [1.0] } }",
            "methods.none.responses_per_prompt: required where `tuning` is given. "
            "Add it, or empty the table.",
        ),
        (
            TUNING + pool_of(2657),
            "",
            "tuning.prompts: with the pool's 2657 they are 2721 prompts, but the world has 2720 for "
            "training. Lower one of the two.",
        ),
        (
            TUNING + pool_of(2650),
            "depth = { kind = 'influence', validation = 7 }",
            "methods.dpo.depth.validation: with the 2714 prompts of pool and tuning they are 2721, but the "
            "world has 2720 for training. Lower one of them.",
        ),
    ],
)
def test_what_cannot_be_tried_is_refused(tmp_path: Path, tuning: str, method: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        recipe_of(tmp_path, f"{DPO}{method}\n", tuning)
    assert list(refused.value.problems) == [f"{tmp_path / 'r.toml'}: {sentence}"]


def test_what_a_shared_axis_does_to_all_methods_is_said_once(tmp_path: Path) -> None:
    other = "[methods.other]\nresponses_per_prompt = 4\n"
    with pytest.raises(BadInput) as refused:
        recipe_of(tmp_path, DPO + other, TUNING.replace("0.1, 0.5", "-1, 0.5, 0.5"))
    assert [problem.partition(": ")[2] for problem in refused.value.problems] == [
        "tuning.space.beta: each value once. Got [-1, 0.5, 0.5].",
        "tuning.space.beta: must be more than 0.0. Got -1.",
    ]


@pytest.mark.parametrize(
    ("tuning", "method"),
    [
        (TUNING + pool_of(2656), ""),
        (TUNING + pool_of(2650), "depth = { kind = 'influence', validation = 6 }"),
        (
            TUNING,
            "training = { learning_rate = 0.2 }\n"
            "tuning = { space = { learning_rate = [], beta = [1, 2, 3, 4] } }",
        ),
        (TUNING, "[methods.sft]\n[methods.null]\nanswer = 'no'"),
    ],
)
def test_what_is_just_possible_is_taken(tmp_path: Path, tuning: str, method: str) -> None:
    recipe = recipe_of(tmp_path, f"{DPO}{method}\n", tuning)
    assert len(trials_of(recipe, recipe.methods["dpo"], seed=0)) == 4
