"""Win rates of methods against each other, on boards made in code."""

import re
from pathlib import Path

import numpy as np
import pytest
from synthetic_records import FIXED, board, record

from harness.leaderboard import figures
from harness.leaderboard.assemble import make_table
from harness.leaderboard.board import make_board
from harness.leaderboard.cost import cost_alone
from harness.leaderboard.groups import NOT_APPLICABLE, split
from harness.leaderboard.head_to_head import head_to_head, pooled_noise
from harness.leaderboard.record import Contests, Record, write_record
from harness.leaderboard.statistics import replicate_noise


def contests(values: dict[str, list[float | None]], missing: int = 0, flips: int = 0) -> Contests:
    """At the items p0, p1, ..; the same counts for each other method."""
    ids = [f"p{number}" for number in range(len(next(iter(values.values()))))]
    return Contests(
        ids=ids, values=values, missing=dict.fromkeys(values, missing), flips=dict.fromkeys(values, flips)
    )


def two(rows: list[list[float | None]], missing: int = 0, flips: int = 0) -> dict[str, list[Record]]:
    """`a` against `b`, one row of values for each replicate."""
    mine = [
        record("a", at, order=0, head_to_head=contests({"b": row}, missing, flips))
        for at, row in enumerate(rows)
    ]
    turned = [[None if value is None else 100 - value for value in row] for row in rows]
    theirs = [
        record("b", at, order=1, head_to_head=contests({"a": row}, missing, flips))
        for at, row in enumerate(turned)
    ]
    return {"a": mine, "b": theirs}


def test_a_win_rate_is_the_mean_over_replicates_and_prompts_tested_against_even() -> None:
    """(100 + 50 + 75 + 75) / 4 = 75; 4 flips and 2 missing in each of two replicates."""
    (one,) = head_to_head(two([[100.0, 50.0], [75.0, 75.0]], missing=2, flips=4))
    assert (one.method, one.other, one.win_rate, one.missing, one.flips) == ("a", "b", 75.0, 4, 8)
    assert one.ci_low is not None
    assert one.ci_high is not None
    assert one.ci_low < 75 < one.ci_high
    assert one.p == one.p_holm  # one test needs no correction


def test_a_prompt_without_a_verdict_in_some_replicate_is_left_out() -> None:
    """p1 lacks one in the second replicate: (100 + 60) / 2."""
    (one,) = head_to_head(two([[100.0, 0.0], [60.0, None]]))
    assert one.win_rate == 80


def test_the_pooled_noise_is_that_of_the_methods() -> None:
    """Where a pair's win rate is the difference of what its two are worth, the pairs hold no other noise."""
    worth = np.random.default_rng(0).normal(0, 5, (4, 3, 6))
    tables = {(str(a), str(b)): worth[a] - worth[b] + 50 for a in range(4) for b in range(a + 1, 4)}
    pooled, known = pooled_noise(tables), replicate_noise(worth)
    assert pooled is not None
    assert known is not None
    assert pooled.variance == pytest.approx(known.variance)
    assert pooled.degrees_of_freedom == known.degrees_of_freedom == 6


def test_the_matrix_says_the_rest_of_a_hundred_the_other_way_round(tmp_path: Path) -> None:
    rows = two([[100.0, 99.0, 98.0, 100.0], [100.0, 98.0, 97.0, 100.0], [99.0, 99.0, 98.0, 99.0]], flips=1)
    records = [one for records in rows.values() for one in records]
    section = make_table(records).sections[0]
    cells = figures.contests(section)
    assert cells["a", "b"].value + cells["b", "a"].value == pytest.approx(100)
    assert (cells["a", "b"].sign, cells["b", "a"].sign) == (1, -1)
    for one in records:
        write_record(tmp_path / "records", one)
    files = make_board(tmp_path)
    assert "### Head to head" in files["README.md"]
    assert "3 verdicts turned with the order" in files["README.md"]
    assert "side by side</label>" in files["index.html"]
    assert '"head_to_head": [' in files["table.json"]


def test_a_comparison_that_is_missing_shows(tmp_path: Path) -> None:
    """`a` and `b` were compared in seed 0 and not in seed 1, `c` with neither; three verdicts are missing."""
    asked = {"fixed": FIXED | {"evaluation": {"head_to_head": True}}}
    mine, theirs = contests({"b": [80.0, 70.0]}, missing=3), contests({"a": [20.0, 30.0]}, missing=3)
    records = [
        record("a", 0, order=0, head_to_head=mine, **asked),
        record("a", 1, order=0, **asked),
        record("b", 0, order=1, head_to_head=theirs, **asked),
        record("b", 1, order=1, **asked),
        record("c", 0, order=2, **asked),
    ]
    section = make_table(records).sections[0]
    assert [(one.method, one.other, one.seeds) for one in section.unjudged] == [
        ("a", "b", [1]), ("a", "c", [0]), ("b", "c", [0])
    ]  # fmt: skip
    assert figures.contests(section)["b", "a"].partial
    for one in records:
        write_record(tmp_path / "records", one)
    files = make_board(tmp_path)
    assert "| 3 c | † | † | – |" in files["README.md"]
    assert re.search(r"\| 1 a \| – \| [^|]* † \| † \|", files["README.md"])
    assert "- a against b: 3 comparisons have no verdict" in files["README.md"]
    assert "- a against b: not judged side by side for seed 1. Running the recipe" in files["README.md"]
    assert files["index.html"].count('<td title="not judged">†</td>') == 4


def test_without_contests_there_is_no_such_table(tmp_path: Path) -> None:
    for one in board({"dpo": 50, "a": 60}):
        write_record(tmp_path / "records", one)
    files = make_board(tmp_path)
    assert "Head to head" not in files["README.md"]
    assert "side by side</label>" not in files["index.html"]


def test_what_does_not_apply_to_a_row_parts_it_from_none() -> None:
    """The null model samples nothing; two engines that did part the others."""
    known = [record("dpo", order=1, comparable={"sampling": "transformers"})]
    other = [record("z", order=2, comparable={"sampling": "vllm"})]
    null = [record("null", order=0, comparable={"sampling": NOT_APPLICABLE})]
    groups = split([*null, *known, *other])
    assert [list(group.methods) for group in groups] == [["null", "dpo"], ["z"]]
    assert groups[0].comparable == {"sampling": "transformers"}


def test_energy_is_called_after_its_worst_part_and_is_unknown_where_a_part_is() -> None:
    """8 J and 4 J over two replicates: 6 J."""
    one = record().tasks[0]

    def spent(label: str | None, used: float | None) -> Record:
        cost = one.cost.model_copy(update={"energy": label, "energy_j": used})
        return record(tasks=[one.model_copy(update={"cost": cost})])

    total = cost_alone([spent("measured", 8.0), spent("estimated", 4.0)])
    assert (total.energy_j, total.energy) == (6.0, "estimated")
    for label in ("n.a.", None):
        unknown = cost_alone([spent("measured", 8.0), spent(label, None)])
        assert (unknown.energy_j, unknown.energy) == (None, "n.a.")
    assert cost_alone([spent(None, None)]).energy is None
