"""What tasks write, derived by hand: a line of JSON is 100 bytes and 4 for each token of its texts."""

from pathlib import Path

import pytest
from plans import planned
from test_costs import FACTS, recipe

from harness.plan.disk import written

CLUSTERS = 'depth = { kind = "gradient-clusters", pairs = 2, clusters = 2 }'


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("prompts", 8 * (100 + 4 * 10)),
        ("held_out", 6 * (100 + 4 * 10)),
        ("responses", 32 * (100 + 4 * 4)),  # half of at most 8 tokens
        ("scores", 32 * 100),
        ("gradients", 32 * (2 * 16 + 4 * 3)),  # fp16 of dimension 16; log-probability, norm and length
        ("pairs", 8 * 2 * (100 + 4 * (10 + 2 * 4))),
        ("adapter", 4 * 3 * 20),  # fp32, rank 3
        ("outputs", 6 * 2 * (100 + 4 * 6)),  # half of at most 12 tokens
        ("alpaca_eval", 0),  # verdicts: not known
    ],
)
def test_each_stage(stage: str, expected: float, tmp_path: Path) -> None:
    """8 prompts of 10 tokens x 4 responses; 6 held-out prompts x 2 samples."""
    tasks = planned(tmp_path, recipe(method=CLUSTERS)).tasks
    assert written(next(task for task in tasks if task.stage == stage), FACTS) == expected


def test_logprobs_are_kept_by_token(tmp_path: Path) -> None:
    """Half of at most 8 tokens; their sum and their number."""
    tasks = planned(tmp_path, recipe()).tasks
    assert written(next(task for task in tasks if task.stage == "logprobs"), FACTS) == 32 * 4 * (4 + 2)


def test_what_the_data_have_is_as_long_as_theirs(tmp_path: Path) -> None:
    tasks = planned(tmp_path, recipe(responses='kind = "dataset", least = 4')).tasks
    responses = next(task for task in tasks if task.stage == "responses")
    assert written(responses, FACTS) == 32 * (100 + 4 * 6)
