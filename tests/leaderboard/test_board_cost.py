"""Costs by hand, and the law that shares add up to what was spent."""

import pytest
from synthetic_records import cost, record, task

from harness.leaderboard.cost import cost_alone, cost_by_stage, cost_shared, overhead, task_users
from harness.leaderboard.record import Cost

POOL = task("pool", "responses", "method", cost(8, 80, peak=7))
RECORDS = [
    record("a", 0, tasks=[POOL, task("a0", "adapter", "method", cost(2, 20, peak=5))]),
    record("a", 1, tasks=[POOL, task("a1", "adapter", "method", cost(4, 40, peak=9))]),
    record("b", 0, tasks=[POOL, task("b0", "bank", "method", cost(1, 10)), task("b0t", spent=cost(3, 30))]),
    record("b", 1, tasks=[POOL, task("b1", "bank", "method", cost(1, 10)), task("b1t", spent=cost(3, 30))]),
    record(
        "sft", 0, tasks=[task("base", "base_model", "given", cost(99, 99)), task("e", "eval", "evaluation")]
    ),
]
A, B, SFT = RECORDS[:2], RECORDS[2:4], RECORDS[4:]
USERS = task_users(RECORDS)


def test_alone_is_all_that_the_method_needs_averaged_over_replicates() -> None:
    """A: (8 + 2 + 8 + 4) / 2 = 11 seconds; its peak is the largest of its tasks, not a sum."""
    assert cost_alone(A) == cost(11, 110, peak=9)
    assert cost_alone(B) == cost(12, 120, peak=7)


def on_gpu(spent: Cost, peak: int | None) -> Cost:
    return spent.model_copy(update={"peak_device_bytes": peak})


def test_the_memory_of_a_gpu_is_the_largest_of_the_tasks_that_had_one() -> None:
    """6 and 8 of two replicates: 8, in either reckoning; none where no task of the stage had a GPU."""
    both = [
        record("a", number, tasks=[POOL, task(f"a{number}", spent=on_gpu(cost(1, 1), peak))])
        for number, peak in enumerate((6, 8))
    ]
    assert cost_alone(both).peak_device_bytes == 8
    assert cost_shared(both, task_users(both)).peak_device_bytes == 8
    stages = cost_by_stage(both)
    assert (stages["adapter"].peak_device_bytes, stages["responses"].peak_device_bytes) == (8, None)
    assert cost_alone(A).peak_device_bytes is None


def test_given_and_evaluation_are_not_charged() -> None:
    assert cost_alone(SFT) == cost_shared(SFT, USERS) == cost()
    assert cost_by_stage(SFT) == {}


def test_shared_splits_a_task_among_the_records_that_use_it() -> None:
    """The pool is used by four records: 2 seconds each. A: (2 + 2 + 2 + 4) / 2 = 5."""
    assert USERS["pool"] == 4
    assert "base" not in USERS
    assert cost_shared(A, USERS) == cost(5, 50, peak=9)


def test_shares_add_up_to_what_was_spent() -> None:
    """Every task once: 8 + 2 + 4 + 1 + 3 + 1 + 3 = 22 seconds."""
    assert sum(cost_shared([one], USERS).wall_s for one in RECORDS) == pytest.approx(22)


def test_stages_add_up_to_alone() -> None:
    stages = cost_by_stage(B)
    assert list(stages) == ["responses", "bank", "adapter"]
    assert stages["adapter"].wall_s == 3
    assert sum(stage.flops for stage in stages.values()) == cost_alone(B).flops


def test_a_stage_that_one_replicate_lacks_counts_as_nothing_there() -> None:
    records = [record("c", 0, tasks=[task("x", "bank", "method", cost(4))]), record("c", 1, tasks=[])]
    assert cost_by_stage(records)["bank"].wall_s == 2


def test_overhead_is_a_ratio_and_unknown_over_a_free_baseline() -> None:
    assert overhead(cost(15, 5), cost(10, 10)).wall == pytest.approx(0.5)
    assert overhead(cost(15, 5), cost(10, 10)).flops == pytest.approx(-0.5)
    assert overhead(cost(), cost(10, 10)).wall == -1
    assert overhead(cost(10, 10), cost()).wall is None
