"""What tuning adds to a plan: trials that methods share, and a choice that stands for the adapter."""

from pathlib import Path

from plans import cell, fixed, planned

from harness.plan.build import Plan
from harness.plan.catalog import STAGES
from harness.plan.task import Task

FIXED = fixed("dpo")
TUNING = """
[tuning]
trials = 2
prompts = 8
samples_per_prompt = 3
space = { beta = [0.1, 0.5] }
"""
METHODS = """
[methods.sft]
[methods.null]
answer = "no"
[methods.dpo]
responses_per_prompt = 4
[methods.ipo]
responses_per_prompt = 4
loss = { kind = "ipo" }
"""
RATES = """
[methods.rates]
responses_per_prompt = 4
tuning = { space = { beta = [], learning_rate = [1e-3, 3e-3] } }
"""
INFLUENCE = """
[methods.influence]
responses_per_prompt = 4
depth = { kind = "influence", validation = 4 }
"""
RECIPE = FIXED + TUNING + METHODS + RATES


def plan_of(folder: Path, text: str = RECIPE) -> Plan:
    return planned(folder, text)


def trained(tuned: Task) -> list[tuple[float, float]]:
    """(learning rate, beta) of each trial's training."""
    adapters = [tuned.inputs[f"adapter_{number}"].params for number in range(len(tuned.params["settings"]))]
    return [(one["training"]["learning_rate"], one["loss"]["beta"]) for one in adapters]


def test_the_choice_stands_for_the_adapter(tmp_path: Path) -> None:
    """Two settings of beta; all that evaluates the method reads the choice, and no single trial."""
    ends = cell(plan_of(tmp_path), "dpo").ends
    tuned = ends["adapter"]
    assert tuned.stage == "tuned"
    assert tuned.params == {"settings": [{"beta": 0.1}, {"beta": 0.5}], "prompts": 8}
    assert trained(tuned) == [(1e-3, 0.1), (1e-3, 0.5)]
    for role in ("outputs", "lm_eval", "knowledge", "preference"):
        assert ends[role].inputs["adapter"] is tuned


def test_each_method_has_as_many_trials_and_pays_for_them(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    for name in ("dpo", "ipo", "rates"):
        tasks = cell(plan, name).tasks
        stages = [task.stage for task in tasks]
        assert (stages.count("trial"), stages.count("adapter"), stages.count("tuned")) == (2, 2, 1)
        assert stages.count("validation") == 1
    assert {STAGES[stage].role for stage in ("trial", "tuned", "validation", "responses")} == {"method"}
    for name in ("sft", "null"):
        assert not {task.stage for task in cell(plan, name).tasks} & {"trial", "tuned", "validation"}


def test_equal_settings_are_trained_once(tmp_path: Path) -> None:
    """`rates` tries DPO's default beta 0.1 at two rates, of which `dpo` tries one; `ipo` has another loss."""
    plan = plan_of(tmp_path)
    dpo, rates = (cell(plan, name).ends["adapter"] for name in ("dpo", "rates"))
    assert trained(rates) == [(1e-3, 0.1), (3e-3, 0.1)]
    for kind in ("adapter", "trial"):
        assert dpo.inputs[f"{kind}_0"].key == rates.inputs[f"{kind}_0"].key
        assert dpo.inputs[f"{kind}_1"].key != rates.inputs[f"{kind}_1"].key
    assert len([task for task in plan.tasks if task.stage == "adapter"]) == 5


def test_a_trial_is_judged_on_validation_prompts_against_the_untrained_start(tmp_path: Path) -> None:
    """The start's responses are one task for all; outputs and judge are those of the evaluation."""
    plan = plan_of(tmp_path)
    trials = [task for task in plan.tasks if task.stage == "trial"]
    assert len(trials) == 5
    assert len({task.inputs["reference"].key for task in trials}) == 1
    trial = trials[0]
    reference, prompts = trial.inputs["reference"], trial.inputs["prompts"]
    assert "adapter" not in reference.inputs
    assert reference.inputs["prompts"] is prompts
    assert (prompts.stage, prompts.params["count"], prompts.params["skip"]) == ("validation", 8, 0)
    assert trial.params["per_prompt"] == reference.params["per_prompt"] == 3
    assert trial.params["judge"] == {"kind": "oracle"}
    assert (trial.params["temperature"], trial.params["max_new_tokens"]) == (1.0, 48)


def test_influence_looks_at_other_prompts_than_tuning(tmp_path: Path) -> None:
    """At those that come after the 8."""
    for text, skip in ((RECIPE, 8), (FIXED + METHODS, 0)):
        pairs = cell(plan_of(tmp_path, text + INFLUENCE), "influence").ends["pairs"]
        found = pairs.inputs["validation_prompts"]
        assert (found.params["skip"], found.params["count"]) == (skip, 4)


def test_without_a_table_nothing_is_tuned(tmp_path: Path) -> None:
    assert cell(plan_of(tmp_path, FIXED + METHODS), "dpo").ends["adapter"].stage == "adapter"
