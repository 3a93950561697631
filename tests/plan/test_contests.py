"""Comparisons of methods with each other: who has which, and what a method that is added later changes."""

from pathlib import Path

from plans import cell, fixed, planned

from harness.plan.build import Plan

JUDGED = fixed("sft") + "[evaluation]\nhead_to_head = true\n"
METHODS = """
[methods.sft]
[methods.null]
answer = "no"
[methods.dpo]
responses_per_prompt = 2
"""
ADDED = "[methods.more]\nresponses_per_prompt = 4\n"


def keys(plan: Plan, stage: str) -> set[str]:
    return {task.key for task in plan.tasks if task.stage == stage}


def test_each_two_methods_share_one_comparison(tmp_path: Path) -> None:
    plan = planned(tmp_path, JUDGED + METHODS)
    dpo, null = cell(plan, "dpo"), cell(plan, "null")
    assert set(dpo.contests) == {"sft", "null"}
    assert dpo.contests["null"] is null.contests["dpo"]
    assert len(keys(plan, "head_to_head")) == 3
    assert plan.users[dpo.contests["null"].key] == ("null/0", "dpo/0")


def test_a_method_rests_on_no_work_of_another(tmp_path: Path) -> None:
    """So that its costs are its own, and a method that fails takes no other's record away."""
    plan = planned(tmp_path, JUDGED + METHODS)
    assert "adapter" not in {task.stage for task in cell(plan, "sft").tasks}
    assert cell(plan, "dpo").ends["outputs"] not in cell(plan, "sft").tasks


def test_a_method_that_is_added_anywhere_changes_no_comparison_of_the_others(tmp_path: Path) -> None:
    before = keys(planned(tmp_path, JUDGED + METHODS), "head_to_head")
    for text in (METHODS + ADDED, ADDED + METHODS):
        after = keys(planned(tmp_path, JUDGED + text), "head_to_head")
        assert before < after
        assert len(after) == 6


def test_without_the_option_nobody_is_compared(tmp_path: Path) -> None:
    plan = planned(tmp_path, fixed("sft") + METHODS)
    assert keys(plan, "head_to_head") == set()
    assert cell(plan, "dpo").contests == {}


def test_a_judge_that_sees_both_texts_is_asked_both_ways_round(tmp_path: Path) -> None:
    """The win rate against the reference is asked as the recipe says."""
    judge = """
[evaluation.alpaca_eval]
judge = { kind = "endpoint", base_url = "http://127.0.0.1:1/v1", model = "m" }
"""
    plan = planned(tmp_path, JUDGED + judge + METHODS)
    one = cell(plan, "dpo")
    assert one.contests["sft"].params["judge"]["both_orders"] is True
    assert one.ends["alpaca_eval"].params["judge"]["both_orders"] is False
