"""What is refused before a run, because no run could give it."""

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.recipe.load import load_recipe
from harness.recipe.pool import HELD_OUT_PROMPTS, TRAINING_PROMPTS
from harness.world.facts import make_world
from harness.world.prompts import held_out_half, training_half

GOOD = """
title = "test"
baseline = "dpo"
[seeds]
[pool.prompts]
kind = "atlas"
[features.gradients]
[evaluation.alpaca_eval.prompts]
kind = "atlas"
[evaluation.lm_eval]
[budget]
responses = 72
[training]
steps = 4
pairs_per_step = 8
learning_rate = 1e-3
[methods.dpo]
responses_per_prompt = 6
"""


def problems(folder: Path, *changes: tuple[str, str]) -> list[str]:
    """What is wrong with GOOD after some lines were put behind others; empty where nothing is."""
    text = GOOD
    for line, more in changes:
        assert line in text
        text = text.replace(line, f"{line}\n{more}")
    path = folder / "r.toml"
    path.write_text(text)
    try:
        load_recipe(path)
    except BadInput as error:
        return [problem.removeprefix(f"{path}: ") for problem in error.problems]
    return []


METHOD = "responses_per_prompt = 6"


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        ('"robust", label_smoothing = 0.5', "label_smoothing: must be less than 0.5. Got 0.5."),
        ('"exo", label_smoothing = 0.0', "label_smoothing: must be more than 0.0. Got 0.0."),
        ('"ld-dpo", alpha = 1.5', "alpha: must be at most 1.0. Got 1.5."),
        ('"simpo", gama = 1.0', "gama: unknown key. Did you mean 'gamma'?"),
        ('"dpo", gamma = 1.0', "gamma: unknown key. Known: kind, beta."),
        ('"sum", terms = [], weights = [1.0]', "terms: must not be empty. Got []."),
        ('"sum", weights = [1.0]', "terms: required, but not there. Add it."),
        ('"sum", terms = [{ kind = "dpo" }]', "weights: required, but not there. Add it."),
        (
            '"sum", terms = [{ kind = "dpo", bta = 1.0 }], weights = [1.0]',
            "terms.0.bta: unknown key. Did you mean 'beta'?",
        ),
        (
            '"sum", terms = [{ kind = "dpo" }, { kind = "orpo" }], weights = [1.0]',
            "weights: one for each of the 2 terms. Got [1.0]. Add or remove some.",
        ),
    ],
)
def test_a_bad_loss_is_one_sentence(tmp_path: Path, loss: str, sentence: str) -> None:
    line = f"loss = {{ kind = {loss} }}"
    assert problems(tmp_path, (METHOD, line)) == [f"methods.dpo.loss.{sentence}"]
    assert problems(tmp_path, ('title = "test"', line)) == [f"loss.{sentence}"]


def test_sums_are_not_nested(tmp_path: Path) -> None:
    loss = 'loss = { kind = "sum", terms = [{ kind = "sum" }], weights = [1.0] }'
    (problem,) = problems(tmp_path, (METHOD, loss))
    assert problem.startswith('methods.dpo.loss.terms.0: "sum" is not known here. Known: dpo, ')


LD_DPO = 'loss = { kind = "ld-dpo" }'


@pytest.mark.parametrize(
    ("depth", "wrong"),
    [
        ('{ kind = "gradient-clusters", clusters = 4 }', True),
        ('{ kind = "influence", validation = 2 }', True),
        ('{ kind = "gradient-clusters", clusters = 4, features = "hidden-states" }', False),
        ('{ kind = "random" }', False),
    ],
)
def test_no_pair_gradients_of_a_loss_of_the_common_length(tmp_path: Path, depth: str, wrong: bool) -> None:
    """Its own loss counts, whatever the recipe's is, but for `exact` gradients, which are of the recipe's."""
    depth = f"depth = {depth}"
    found = problems(tmp_path, (METHOD, f"{depth}\n{LD_DPO}"))
    assert len(found) == wrong
    assert all("loss 'ld-dpo' also needs parts of them. Use another depth" in problem for problem in found)
    other = 'loss = { kind = "dpo" }'
    assert not problems(tmp_path, ('title = "test"', LD_DPO), (METHOD, f"{depth}\n{other}"))
    exact = 'at = "warmup"\nwarmup_steps = 2\npreconditioning = "exact"'
    changes = ('title = "test"', LD_DPO), ("[features.gradients]", exact), (METHOD, f"{depth}\n{other}")
    assert len(problems(tmp_path, *changes)) == wrong


@pytest.mark.parametrize("seed", range(3))
def test_the_schema_knows_the_size_of_the_world(seed: int) -> None:
    world = make_world(seed)
    assert (len(training_half(world)), len(held_out_half(world))) == (TRAINING_PROMPTS, HELD_OUT_PROMPTS)


@pytest.mark.parametrize(
    ("table", "right", "wrong", "sentence"),
    [
        (
            "[pool.prompts]",
            "count = 2720",
            "count = 2721",
            "pool.prompts.count: must be at most 2720. Got 2721.",
        ),
        (
            "[evaluation.alpaca_eval.prompts]",
            "count = 1360",
            "count = 1361",
            "evaluation.alpaca_eval.prompts.count: must be at most 1360. Got 1361.",
        ),
        (
            "[features.gradients]",
            "dim = 1048576",
            "dim = 1048577",
            "features.gradients.dim: must be at most 1048576. Got 1048577.",
        ),
        (
            "[features.gradients]",
            "rank = 4096",
            "rank = 4097",
            "features.gradients.rank: must be at most 4096. Got 4097.",
        ),
        (
            "[budget]",
            "pairs = 32",
            "pairs = 33",
            "training.steps: 4 steps of 8 pairs train on at most 32, but budget.pairs is 33. "
            "Raise the steps, or lower the budget.",
        ),
        (
            "[seeds]",
            "replicates = [3]\nvary = []",
            "replicates = [0, 1]\nvary = []",
            "seeds.vary: where nothing is drawn anew, 2 replicates are copies of one. "
            "Name a role, or keep one replicate.",
        ),
        (
            "[seeds]",
            'vary = ["pool"]',
            'vary = ["pool", "pool"]',
            'seeds.vary: each role once. Got ["pool", "pool"].',
        ),
        (
            "[evaluation.lm_eval]",
            'tasks = ["atlas_facts"]',
            'tasks = ["atlas_facts", "atlas_facts"]',
            'evaluation.lm_eval.tasks: each task once. Got ["atlas_facts", "atlas_facts"].',
        ),
        # 72 responses at 6 each are 12 prompts of 15 pairs: 180
        (
            METHOD,
            'depth = { kind = "gradient-clusters", clusters = 180 }',
            'depth = { kind = "gradient-clusters", clusters = 181 }',
            "methods.dpo.depth.clusters: 12 prompts with 6 responses each make at most 180 pairs to cluster. "
            "Got 181.",
        ),
        (
            METHOD,
            'depth = { kind = "length", pairs = 2, minimum = 2 }',
            'depth = { kind = "length", pairs = 2, minimum = 3 }',
            "methods.dpo.depth.minimum: must be at most depth.pairs (2), the mean. Got 3.",
        ),
        (
            METHOD,
            'depth = { kind = "random", minimum = 1 }',
            'depth = { kind = "random", minimum = 2 }',
            "methods.dpo.depth.minimum: must be at most depth.pairs (1 by default), the mean. Got 2.",
        ),
        (
            METHOD,
            'pairing = { kind = "longest" }\ndepth = { kind = "random" }',
            'pairing = { kind = "longest" }\ndepth = { kind = "score-gap" }',
            "methods.dpo.pairing: 'longest' puts lengths in the place of scores, so it needs a depth that "
            "looks at neither: 'uniform' or 'random'. Change one of the two.",
        ),
    ],
)
def test_the_limit_is_met_or_named(tmp_path: Path, table: str, right: str, wrong: str, sentence: str) -> None:
    assert problems(tmp_path, (table, right)) == []
    assert problems(tmp_path, (table, wrong)) == [sentence]


def test_a_minimum_above_the_mean_is_met_where_there_are_no_more_pairs(tmp_path: Path) -> None:
    """Three responses make three pairs: a minimum of 9 takes all three, and so does a mean of 3."""
    depth = '[methods.all]\nresponses_per_prompt = 3\ndepth = { kind = "random", pairs = 3, minimum = 9 }'
    assert problems(tmp_path, (METHOD, depth)) == []


def test_a_pairs_budget_takes_the_place_of_the_mean(tmp_path: Path) -> None:
    """24 pairs for 12 prompts: a minimum of 2 is met, 3 is not."""
    depth = 'depth = {{ kind = "random", minimum = {} }}'
    assert problems(tmp_path, ("[budget]", "pairs = 24"), (METHOD, depth.format(2))) == []
    (problem,) = problems(tmp_path, ("[budget]", "pairs = 24"), (METHOD, depth.format(3)))
    assert problem.startswith("methods.dpo.depth.minimum: 3 for each of 12 prompts is more than budget.pairs")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            'batching = "pairs"\nprompts_per_step = 3',
            "prompts_per_step: with batching = 'pairs' a step holds pairs. Got 3. Remove it, or use "
            "batching = 'prompts'.",
        ),
        (
            'weights = "full"\nlora_rank = 4',
            "lora_rank: there is no adapter with weights = 'full'. Remove it, or use weights = 'lora'.",
        ),
        (
            'weights = "full"\ntargets = ["q_proj"]',
            "targets: there is no adapter with weights = 'full'. Remove it, or use weights = 'lora'.",
        ),
        ("targets = []", "targets: must not be empty. Got []."),
        ("prompts_per_step = 0", "prompts_per_step: must be at least 1. Got 0."),
    ],
)
def test_a_training_that_contradicts_itself_is_refused(tmp_path: Path, keys: str, sentence: str) -> None:
    assert problems(tmp_path, ("learning_rate = 1e-3", keys)) == [f"training.{sentence}"]


def test_steps_that_do_not_reach_every_prompt_are_refused(tmp_path: Path) -> None:
    """72 responses are 12 prompts with 6 each; 4 steps of 3 prompts reach them all, of 2 they reach 8."""
    assert problems(tmp_path, ("learning_rate = 1e-3", "prompts_per_step = 3")) == []
    assert problems(tmp_path, ("learning_rate = 1e-3", "prompts_per_step = 2")) == [
        "training.steps: 4 steps of 2 prompts reach at most 8, but methods.dpo has 12. Raise the steps."
    ]
