"""Tasks cut into shards: same keys as whole, whatever the number."""

from pathlib import Path

import pytest
from plans import fixed, planned

from harness.plan.build import Plan
from harness.plan.shards import in_shards
from harness.plan.task import Task
from harness.recipe.resources import Resources, ShardedNeeds


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(tmp_path, fixed("a") + "[methods.a]\nresponses_per_prompt = 4\n")


def cut(plan: Plan, shards: int, stored: set[str]) -> tuple[Task, ...]:
    return in_shards(plan.tasks, Resources(responses=ShardedNeeds(shards=shards)), stored)


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_shards_stand_before_the_task_that_keeps_its_key(plan: Plan, shards: int) -> None:
    tasks = cut(plan, shards, set())
    keys = [task.key for task in tasks]
    (whole,) = [task for task in tasks if task.stage == "responses" and "shard" not in task.params]
    parts = [task for task in tasks if "shard" in task.params]
    assert len(parts) == (shards if shards > 1 else 0)
    assert [key for key in keys if key not in {part.key for part in parts}] == [t.key for t in plan.tasks]
    assert [part.params["shard"] for part in whole.parts] == [[n, shards] for n in range(len(parts))]
    assert all(keys.index(part.key) < keys.index(whole.key) for part in parts)
    assert len(set(keys)) == len(keys)
    assert sum(task.share for task in (*parts, whole)) == pytest.approx(1.0)


def test_what_is_stored_is_not_cut(plan: Plan) -> None:
    (whole,) = [task.key for task in plan.tasks if task.stage == "responses"]
    assert len(cut(plan, 3, {whole})) == len(plan.tasks)


def test_a_user_waits_for_the_task_with_its_shards(plan: Plan) -> None:
    (scores,) = [task for task in cut(plan, 3, set()) if task.stage == "scores"]
    assert len(scores.inputs["responses"].parts) == 3
