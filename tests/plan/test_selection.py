"""What each kind of selection rests on, and so what its method pays for."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from plans import cell, fixed, planned

from harness.plan.catalog import STAGES
from harness.plan.features import known_reference
from harness.plan.task import Task
from harness.recipe.losses import Need

FIXED = (
    fixed("plain")
    + """
[methods.plain]
responses_per_prompt = 4
"""
)
USUAL = {"base_model", "prompts", "breadth", "responses", "scores"}


def pairs_of(folder: Path, rules: str) -> Task:
    """The pairs task of a method with these rules."""
    plan = planned(folder, f"{FIXED}[methods.one]\nresponses_per_prompt = 4\n{rules}\n")
    return cell(plan, "one").ends["pairs"]


def below(task: Task) -> dict[str, list[Task]]:
    """Everything that a task rests on, by stage, each once."""
    found: dict[str, Task] = {}

    def visit(inputs: Mapping[str, Task]) -> None:
        for needed in inputs.values():
            found[needed.key] = needed
            visit(needed.inputs)

    visit(task.inputs)
    stages: dict[str, list[Task]] = {}
    for one in found.values():
        stages.setdefault(one.stage, []).append(one)
    return stages


@pytest.mark.parametrize(
    ("rules", "extra"),
    [
        ('breadth = { kind = "random" }', set()),
        ('breadth = { kind = "clusters", algorithm = "agglomerative" }', {"embeddings"}),
        ('breadth = { kind = "k-center" }', {"embeddings"}),
        ('breadth = { kind = "score-variance", among = 16, prompts = 8 }', {"kept"}),
        ('depth = { kind = "length" }', set()),
        ('depth = { kind = "score-gap", count = "top" }', set()),
        ('depth = { kind = "gradient-norm" }', {"gradients"}),
        ('depth = { kind = "gradient-clusters" }', {"gradients"}),
        ('depth = { kind = "gradient-clusters", features = "hidden-states" }', {"hidden_states"}),
        ('depth = { kind = "influence", validation = 4 }', {"gradients", "validation"}),
        ('depth = { kind = "deita" }', {"hidden_states"}),
        ('depth = { kind = "loss" }', {"warmup", "pairs", "logprobs"}),
        ('depth = { kind = "bees" }', {"warmup", "pairs", "logprobs"}),
        ('depth = { kind = "ifd" }', {"logprobs"}),
        ('pairing = { kind = "diverse" }', set()),
        ('pairing = { kind = "diverse", by = "hidden-states" }', {"hidden_states"}),
        ('pairing = { kind = "diverse", by = "gradients" }', {"gradients"}),
    ],
)
def test_a_method_pays_for_what_its_rules_look_at(tmp_path: Path, rules: str, extra: set[str]) -> None:
    found = set(below(pairs_of(tmp_path, rules)))
    assert found == USUAL | extra
    assert {STAGES[stage].role for stage in found} == {"given", "method"}


def test_score_variance_pays_for_all_that_it_scored_and_for_nothing_twice(tmp_path: Path) -> None:
    """16 prompts drawn, all with responses and scores; the 8 chosen keep theirs."""
    pairs = pairs_of(tmp_path, 'breadth = { kind = "score-variance", among = 16, prompts = 8 }')
    found = below(pairs)
    (responses,) = found["responses"]
    assert responses.inputs["prompts"].params["count"] == 16
    assert pairs.inputs["prompts"].params["count"] == 8
    assert pairs.inputs["responses"] is pairs.inputs["scores"]
    assert pairs.inputs["responses"].inputs["prompts"] is pairs.inputs["prompts"]


def test_influence_samples_scores_and_measures_its_validation_prompts(tmp_path: Path) -> None:
    """4 of the 16 prompts that the budget pays for; the same gradient settings on both sides."""
    rules = 'depth = { kind = "influence", validation = 4, gradients = { dim = 64 } }'
    pairs = pairs_of(tmp_path, rules)
    assert pairs.inputs["prompts"].params["count"] == 12
    assert pairs.inputs["validation_prompts"].params["count"] == 4
    for name in ("gradients", "validation_gradients"):
        assert pairs.inputs[name].params["dim"] == 64
    validation = pairs.inputs["validation_gradients"].inputs["responses"]
    assert validation.inputs["prompts"] is pairs.inputs["validation_prompts"]
    assert pairs.inputs["validation_scores"].inputs["responses"] is validation


@pytest.mark.parametrize("kind", ['gradient-norm"', 'gradient-clusters"', 'influence", validation = 4'])
def test_a_rule_may_have_gradient_settings_of_its_own(tmp_path: Path, kind: str) -> None:
    shared, own = (
        pairs_of(tmp_path, f'depth = {{ kind = "{kind}{own} }}').inputs["gradients"]
        for own in ("", ", gradients = { rank = 4 }")
    )
    assert (shared.params["rank"], own.params["rank"]) == (32, 4)
    assert shared.inputs["responses"].key == own.inputs["responses"].key


def test_after_a_warmup_both_sides_of_influence_have_the_same_adapter(tmp_path: Path) -> None:
    """It is trained on the method's own pairs; each bank has its own responses and reference."""
    own = 'gradients = { at = "warmup", warmup_steps = 3 }'
    pairs = pairs_of(tmp_path, f'depth = {{ kind = "influence", validation = 4, {own} }}')
    mine, other = (pairs.inputs[name].inputs for name in ("gradients", "validation_gradients"))
    assert mine["warmup"].key == other["warmup"].key
    assert mine["warmup"].inputs["pairs"].inputs["responses"] is pairs.inputs["responses"]
    for bank in (mine, other):
        assert bank["reference"].inputs["responses"] is bank["responses"]


CLUSTERS = 'depth = { kind = "gradient-clusters"'
WARM = ', gradients = { at = "warmup", warmup_steps = 3'


@pytest.mark.parametrize(
    ("depth", "loss", "depends"),
    [
        (CLUSTERS + " }", '"dpo"', False),
        (CLUSTERS + " }", '"hinge"', False),
        (CLUSTERS + " }", '"ipo"', True),
        (CLUSTERS + " }", '"simpo"', True),
        (CLUSTERS + WARM + " } }", '"dpo"', True),
        (CLUSTERS + WARM + ', preconditioning = "frozen" } }', '"dpo"', True),
        (CLUSTERS + WARM + ', preconditioning = "exact" } }', '"ipo"', False),
        (CLUSTERS + ', features = "hidden-states" }', '"ipo"', False),
        ('depth = { kind = "influence", validation = 4 }', '"ipo"', True),
        ('depth = { kind = "gradient-norm" }', '"ipo"', False),
        ('depth = { kind = "random" }', '"ipo"', False),
    ],
)
def test_pairs_depend_on_the_loss_only_where_their_gradients_do(
    tmp_path: Path, depth: str, loss: str, depends: bool
) -> None:
    """So methods with other losses share their pairs; exact gradients are those of the recipe's loss."""
    pairs = pairs_of(tmp_path, f"{depth}\nloss = {{ kind = {loss} }}")
    assert pairs.params.get("loss", {}).get("kind") == (loss.strip('"') if depends else None)
    assert (pairs.key == pairs_of(tmp_path, depth).key) == (not depends or loss == '"dpo"')


def test_implicit_margins_compare_the_warmed_up_policy_with_the_reference(tmp_path: Path) -> None:
    inputs = pairs_of(tmp_path, 'depth = { kind = "loss", warmup_steps = 3 }').inputs
    assert "adapter" not in inputs["logprobs"].inputs
    assert inputs["warm_logprobs"].inputs["adapter"].params["training"]["steps"] == 3


REFERENCE: frozenset[Need] = frozenset({"reference"})


@pytest.mark.parametrize(
    ("rules", "known"),
    [
        ('depth = { kind = "gradient-norm" }', "gradients"),
        ('depth = { kind = "ifd" }', "logprobs"),
        ('depth = { kind = "bees" }', "logprobs"),
    ],
)
def test_training_takes_the_reference_from_what_selection_has_made(
    tmp_path: Path, rules: str, known: str
) -> None:
    pairs = pairs_of(tmp_path, rules)
    expected = {"reference": pairs.inputs[known], "responses": pairs.inputs["responses"]}
    assert known_reference(pairs, REFERENCE) == expected


def test_where_selection_made_none_a_pass_that_all_can_share_makes_it(tmp_path: Path) -> None:
    """It is the task that IFD looks at as well: the same responses, the same key."""
    plain, ifd = pairs_of(tmp_path, ""), pairs_of(tmp_path, 'depth = { kind = "ifd" }')
    made = known_reference(plain, REFERENCE)
    assert made["reference"].key == ifd.inputs["logprobs"].key
    assert made["responses"] is plain.inputs["responses"]
    longest = pairs_of(tmp_path, 'pairing = { kind = "longest" }')
    assert known_reference(longest, REFERENCE)["reference"].key == made["reference"].key


def test_responses_kept_after_scoring_have_a_reference_of_their_own(tmp_path: Path) -> None:
    pairs = pairs_of(tmp_path, 'breadth = { kind = "score-variance", among = 16, prompts = 8 }')
    made = known_reference(pairs, REFERENCE)["reference"]
    assert (made.stage, made.inputs["responses"].stage) == ("logprobs", "kept")
    assert made.inputs["prompts"].params["count"] == 8


def test_a_loss_gets_the_reference_that_it_looks_at(tmp_path: Path) -> None:
    """A bank has no log-probabilities of single tokens."""
    pairs = pairs_of(tmp_path, 'depth = { kind = "gradient-norm" }')
    other: frozenset[Need] = frozenset({"certainty"})
    both: frozenset[Need] = frozenset({"reference", "common"})
    assert known_reference(pairs, frozenset()) == known_reference(pairs, other) == {}
    common = known_reference(pairs, both)["reference"]
    assert (common.stage, common.params) == ("logprobs", {"conditional": True})
