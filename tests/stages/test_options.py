"""Trackers by name, names of trainings, and which trainings several processes can share."""

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.plan.task import Task
from harness.recipe.launching import ALONE, Launch
from harness.stages import options
from harness.stages.options import Options, split_problem, tracker_of

ADAPTER = Task("adapter", {"seed": 0}, {})
TWO = Launch(processes=2)
WARMUP = Task("warmup", {"seed": 0}, {})


@pytest.mark.parametrize(("installed", "expected"), [(True, "tensorboard"), (False, "none")])
def test_the_default_is_tensorboard_where_it_is_installed(
    installed: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "find_spec", lambda name: name if installed else None)
    assert tracker_of(None) == expected
    assert tracker_of("none") == "none"


def test_a_tracker_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"'wandb' is not installed. Install it with `pip install wandb`"):
        tracker_of("wandb")
    with pytest.raises(BadInput, match=r"must be one of tensorboard, .*, none. Got 'wanbd'"):
        tracker_of("wanbd")


def test_a_training_is_tracked_by_name_and_nothing_else_is(tmp_path: Path) -> None:
    told = Options("wandb", "bpo", {ADAPTER.key: "balanced.0"}, launch=TWO)
    tracking = told.tracking(ADAPTER, tmp_path)
    assert tracking is not None
    assert (tracking.report_to, tracking.group, tracking.name) == ("wandb", "bpo", "balanced.0")
    assert tracking.folder == tmp_path / "tracking"
    assert told.tracking(WARMUP, tmp_path) is None
    assert Options("none", "bpo", told.names).tracking(ADAPTER, tmp_path) is None
    assert (told.launch_of(ADAPTER), told.launch_of(WARMUP)) == (TWO, ALONE)


def test_processes_share_a_step_equally_or_not_at_all() -> None:
    """32 pairs in micro-batches of 8 are 4: two or four processes share them, three or eight cannot."""
    assert split_problem(32, 8, "prompts", False, 1) is None
    assert split_problem(32, 8, "prompts", False, 2) is None
    assert split_problem(32, 8, "prompts", False, 4) is None
    assert split_problem(32, None, "prompts", True, 1) is None
    assert "the 32 pairs of a step. Got 8; 4 does." in (split_problem(32, 8, "prompts", False, 8) or "")
    assert "the 32 pairs of a step. Got 32; 16 does." in (split_problem(32, None, "prompts", False, 2) or "")
    assert "must be a multiple of the 3 processes that share a training. Got 32." in (
        split_problem(32, 8, "prompts", False, 3) or ""
    )
    assert "keeps a state from one micro-batch to the next" in (
        split_problem(32, 8, "prompts", True, 2) or ""
    )
    assert "'pairs' is TRL's" in (split_problem(32, 8, "pairs", False, 2) or "")


def test_a_step_of_few_prompts_has_few_passes_to_share() -> None:
    """32 pairs by 4 are 8 passes, but 6 prompts have 6: two processes share those, four cannot."""
    assert split_problem(32, 4, "prompts", False, 2, 6) is None
    assert split_problem(32, 4, "prompts", False, 4, 12) is None
    assert split_problem(32, 4, "prompts", False, 4, 4) is None
    assert split_problem(32, 4, "prompts", False, 4, 6) == (
        "training.prompts_per_step: a step has no more forward passes than prompts, and the 4 processes of a "
        "training must share them equally. Got 6. Set it to a multiple of 4, or use fewer processes."
    )
