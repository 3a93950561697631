"""Keys follow from what can change a result, and methods share what they have in common."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from plans import cell, planned

from harness.plan.build import Cell, Plan
from harness.plan.catalog import STAGES
from harness.plan.task import Task, in_order

RECIPE = """
title = "test"
baseline = "random"
[seeds]
replicates = [0, 1]
vary = ["pool", "selection", "training", "evaluation"]
[pool]
prompts = { kind = "atlas", count = 64 }
[budget]
responses = 64
[training]
steps = 2
learning_rate = 1e-3
[methods.sft]
[methods.null]
answer = "no"
[methods.random]
responses_per_prompt = 4
[methods.uniform]
responses_per_prompt = 4
breadth = { kind = "clusters" }
[methods.balanced]
responses_per_prompt = 4
breadth = { kind = "clusters" }
depth = { kind = "gradient-clusters" }
"""


def plan_of(folder: Path, text: str = RECIPE) -> Plan:
    return planned(folder, text)


def stages(cell: Cell) -> set[str]:
    return {task.stage for task in cell.tasks}


def test_inputs_come_before_users(tmp_path: Path) -> None:
    seen: set[str] = set()
    tasks = plan_of(tmp_path).tasks
    for task in tasks:
        assert all(needed.key in seen for needed in task.inputs.values())
        seen.add(task.key)
    assert len(seen) == len(tasks)


def test_shared_tasks_are_there_once(tmp_path: Path) -> None:
    """2 replicates x (random, clusters) selections; sft needs none; one base model for all."""
    count = Counter(task.stage for task in plan_of(tmp_path).tasks)
    assert (count["base_model"], count["held_out"], count["prompts"]) == (1, 1, 2)
    assert (count["responses"], count["scores"], count["gradients"]) == (4, 4, 2)
    assert count["adapter"] == 6


def test_a_method_needs_only_what_it_uses(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert not stages(cell(plan, "sft")) & {"prompts", "responses", "adapter", "preference"}
    assert not stages(cell(plan, "null")) & {"lm_eval", "knowledge", "adapter"}
    assert not stages(cell(plan, "random")) & {"embeddings", "gradients"}
    assert stages(cell(plan, "uniform")) & {"embeddings", "gradients"} == {"embeddings"}
    special = {"kept", "validation", "hidden_states", "logprobs", "warmup", "trial", "tuned"}
    special |= {"sft", "dataset", "lint", "mt_bench", "head_to_head"}
    assert set(STAGES) - special == stages(cell(plan, "balanced"))


def test_training_reads_the_reference_where_selection_has_made_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    adapter = cell(plan, "balanced").ends["adapter"]
    assert (adapter.inputs["reference"].stage, adapter.inputs["responses"].stage) == (
        "gradients",
        "responses",
    )
    assert cell(plan, "uniform").ends["adapter"].inputs["reference"].stage == "logprobs"


def test_one_pass_gives_all_methods_and_losses_with_the_same_responses_their_reference(
    tmp_path: Path,
) -> None:
    """`random` and, with other pairs and another loss, `more`; in each of two replicates, and each pays."""
    more = (
        RECIPE + "[methods.more]\nresponses_per_prompt = 4\npairing = { kind = 'best-worst' }\n"
        "loss = { kind = 'ipo' }\n"
    )
    plan = plan_of(tmp_path, more)
    for replicate in (0, 1):
        one, other = (cell(plan, name, replicate).ends["adapter"].inputs for name in ("random", "more"))
        assert one["pairs"].key != other["pairs"].key
        assert one["reference"].key == other["reference"].key
        assert set(plan.users[one["reference"].key]) == {f"random/{replicate}", f"more/{replicate}"}


def test_a_loss_without_a_reference_is_given_none(tmp_path: Path) -> None:
    """Though the bank of the same method has it."""
    for kind, given in (("simpo", False), ("dpo", True)):
        plan = plan_of(tmp_path, f"{RECIPE}loss = {{ kind = '{kind}' }}\n")
        assert ("reference" in cell(plan, "balanced").ends["adapter"].inputs) == given


def test_a_warm_up_is_part_of_the_method_that_needs_it(tmp_path: Path) -> None:
    """The bank, and training, then read the reference from a pass of its own."""
    table = "[features.gradients]\nat = 'warmup'\nwarmup_steps = 4\nrank = 16\n[seeds]"
    plan = plan_of(tmp_path, RECIPE.replace("[seeds]", table))
    assert {"logprobs", "warmup", "gradients"} <= stages(cell(plan, "balanced"))
    assert not stages(cell(plan, "uniform")) & {"warmup", "gradients"}
    adapter = cell(plan, "balanced").ends["adapter"]
    bank = cell(plan, "balanced").ends["pairs"].inputs["gradients"]
    warmup = bank.inputs["warmup"]
    assert len({task.inputs["reference"].key for task in (adapter, bank, warmup)}) == 1
    for task in (warmup, cell(plan, "balanced").ends["pairs"]):
        assert task.params["loss"] == {"kind": "dpo", "beta": 0.1}
    assert "loss" not in bank.params
    assert (warmup.params["training"]["steps"], warmup.params["training"]["lora_rank"]) == (4, 16)
    assert warmup.inputs["pairs"].params["pairing"] == {"kind": "random"}
    assert all(STAGES[stage].role == "method" for stage in ("logprobs", "warmup", "gradients"))


def test_replicates_draw_anew_only_what_varies(tmp_path: Path) -> None:
    def differing(vary: str) -> set[str]:
        plan = plan_of(tmp_path, RECIPE.replace('"pool", "selection", "training", "evaluation"', vary))
        first, second = (cell(plan, "balanced", replicate).ends for replicate in (0, 1))
        return {role for role in first if first[role].key != second[role].key}

    assert differing('"evaluation"') == {"reference", "outputs", "alpaca_eval", "preference"}
    assert differing('"training"') == {
        "adapter",
        "outputs",
        "alpaca_eval",
        "lm_eval",
        "knowledge",
        "preference",
    }
    assert "pairs" in differing('"selection"')
    assert "base_model" not in differing('"pool", "selection", "training", "evaluation"')


def test_one_more_method_changes_no_key(tmp_path: Path) -> None:
    before = {task.key for task in plan_of(tmp_path).tasks}
    more = RECIPE + '[methods.more]\nresponses_per_prompt = 4\npairing = { kind = "best-worst" }\n'
    plan = plan_of(tmp_path, more)
    new = [task for task in plan.tasks if task.key not in before]
    assert before <= {task.key for task in plan.tasks}
    assert {task.stage for task in new} == {
        "pairs", "adapter", "outputs", "alpaca_eval", "lm_eval", "knowledge", "preference"
    }  # fmt: skip
    assert all(set(plan.users[task.key]) <= {"more/0", "more/1"} for task in new)


def test_names_titles_and_order_are_not_part_of_a_key(tmp_path: Path) -> None:
    first = {task.key for task in plan_of(tmp_path).tasks}
    renamed = RECIPE.replace("balanced", "other").replace('"test"', '"new title"')
    assert {task.key for task in plan_of(tmp_path, renamed).tasks} == first


@pytest.mark.parametrize(
    ("old", "new", "stage"),
    [
        ("steps = 2", "steps = 3", "adapter"),
        ("steps = 2", "steps = 2\npairs_per_step = 16", "adapter"),
        ("steps = 2", "steps = 2\nmicro_batch = 8", "adapter"),
        ("count = 64", "count = 65", "prompts"),
        ("[seeds]", "[model]\nkind = 'atlas'\nseed = 1\n[seeds]", "base_model"),
        ("[seeds]", "[features.gradients]\ndim = 32\n[seeds]", "gradients"),
        ("[seeds]", "[features.gradients]\nsketch = 'sign-fold'\n[seeds]", "gradients"),
        ("[seeds]", "[features.gradients]\ntokens = 'response'\n[seeds]", "gradients"),
        ("[seeds]", "[features.gradients]\nlayers = 2\n[seeds]", "gradients"),
    ],
)
def test_a_changed_setting_changes_its_task(tmp_path: Path, old: str, new: str, stage: str) -> None:
    def keys(text: str) -> set[str]:
        return {task.key for task in plan_of(tmp_path, text).tasks if task.stage == stage}

    assert not keys(RECIPE) & keys(RECIPE.replace(old, new))


def test_an_override_is_trained_with(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RECIPE + "[methods.balanced.training]\nlearning_rate = 0.7\n")
    assert cell(plan, "balanced").ends["adapter"].params["training"]["learning_rate"] == 0.7
    assert cell(plan, "uniform").ends["adapter"].params["training"]["learning_rate"] != 0.7


def test_the_stage_version_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Task("base_model", {}, {})
    before = Task("prompts", {}, {"x": base}).key
    monkeypatch.setitem(STAGES, "base_model", replace(STAGES["base_model"], version=99))
    assert Task("prompts", {}, {"x": Task("base_model", {}, {})}).key != before


def test_in_order_lists_each_task_once() -> None:
    base = Task("base_model", {}, {})
    left, right = Task("prompts", {"a": 1}, {"x": base}), Task("prompts", {"a": 2}, {"x": base})
    assert [task.key for task in in_order([right, left])] == [base.key, right.key, left.key]
