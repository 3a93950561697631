"""The comparison of an unbroken run with others sees a charge that was made twice, and no clock."""

import json
from pathlib import Path

import pytest

from benchmarks.kills import results
from harness.metering import Cost

COUNTED = {
    "flops", "tokens_forward", "tokens_backward", "tokens_generated", "tokens_scored", "tokens_padding",
    "judge_calls", "judge_usd", "judge_tokens_in", "judge_tokens_out", "judge_unpriced",
}  # fmt: skip
"""Fields of a cost that no clock, counter or memory of the machine says."""


def project(folder: Path, **spent: float) -> Path:
    """A board with one record of one task."""
    records = folder / "leaderboards" / "board" / "records"
    records.mkdir(parents=True)
    cost = Cost(wall_s=2.0, energy_j=3.0, energy="estimated").as_dict() | spent
    record = {"items": {}, "tasks": [{"key": "a", "cost": cost}], "provenance": spent, "digest": str(spent)}
    (records / "dpo.0.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize("field", Cost().as_dict())
def test_counts_must_be_equal_and_measurements_need_not(field: str, tmp_path: Path) -> None:
    one, other = project(tmp_path / "one"), project(tmp_path / "other", **{field: 7})
    assert (results(one) == results(other)) == (field not in COUNTED)
    assert results(one, field) == results(other, field)
