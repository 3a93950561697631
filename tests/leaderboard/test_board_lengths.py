"""The length-controlled column of a board: from what records hold, and absent where they do not hold it."""

import numpy as np
import pytest
from synthetic_records import WIN_RATE, Rows, board, items, record

from harness.leaderboard.assemble import make_table
from harness.leaderboard.lengths import controlled
from harness.leaderboard.readme import board_block
from harness.leaderboard.record import Record
from harness.leaderboard.table import Row, Table

LC, LENGTH, REFERENCE = (f"alpaca_eval.{name}" for name in ("lc_win_rate", "mean_length", "reference_length"))


def measured(methods: dict[str, float], taste: float = 4.0) -> list[Record]:
    """A board's records with the reference's lengths; outcomes follow length; the last method writes most."""
    rng = np.random.default_rng(0)
    found = []
    for one in board(methods, prompts=80):
        ids = one.items[WIN_RATE].ids
        extra = 60.0 * (one.method == list(methods)[-1])
        own, reference = rng.normal(120 + extra, 30, (80, 4)), rng.normal(120, 30, (80, 4))
        wins = np.array([[value or 0.0 for value in row] for row in one.items[WIN_RATE].values])
        wins = np.clip(wins + taste * np.tanh((own - reference) / 40) * 10, 0, 100)
        found.append(
            one.model_copy(
                update={
                    "items": {
                        WIN_RATE: items(dict(zip(ids, wins.tolist(), strict=True))),
                        LENGTH: items(dict(zip(ids, own.round().tolist(), strict=True))),
                        REFERENCE: items(dict(zip(ids, reference.round().tolist(), strict=True))),
                    }
                }
            )
        )
    return found


def rows_of(table: Table) -> dict[str, Row]:
    return {row.method: row for row in table.rows}


def mean(row: Row, metric: str) -> float:
    score = row.scores[metric]
    assert score is not None
    return score.mean


def test_a_board_with_lengths_has_the_column_with_intervals_and_differences() -> None:
    """The last method has the win rate of the first by nature, and gains by 60 characters."""
    table = make_table(measured({"dpo": 50, "a": 45, "wordy": 50}))
    rows = rows_of(table)
    control = table.sections[0].length_control
    assert control is not None
    assert control.slope > 0.3
    assert control.methods == ["dpo", "a", "wordy"]
    assert mean(rows["wordy"], WIN_RATE) > mean(rows["wordy"], LC) + 5
    assert mean(rows["dpo"], LC) == pytest.approx(mean(rows["dpo"], WIN_RATE), abs=3)
    score = rows["wordy"].scores[LC]
    assert score is not None
    assert score.difference is not None
    assert score.ci_low is not None
    assert score.ci_low < score.mean
    assert rows["dpo"].scores[LC].difference is None  # type: ignore[union-attr]
    assert score.difference.mean == pytest.approx(mean(rows["wordy"], LC) - mean(rows["dpo"], LC))


def test_lengths_of_the_reference_are_no_column() -> None:
    table = make_table(measured({"dpo": 50, "a": 45}))
    assert REFERENCE not in table.rows[0].scores
    assert LENGTH in table.rows[0].scores


def test_a_board_says_what_its_column_rests_on_or_that_it_has_none() -> None:
    text = board_block(make_table(measured({"dpo": 50, "a": 45})), {})
    assert "| length-controlled win rate | characters |" in text
    assert "come from one model of all 2 rows, so each rests on the others" in text
    old = board_block(make_table(board({"dpo": 50, "a": 45}, prompts=10)), {})
    assert "length-controlled win rate |" not in old
    assert "No length-controlled win rates: the records lack the lengths of the reference's outputs" in old


def test_a_method_without_lengths_has_none_and_the_others_have() -> None:
    records = measured({"dpo": 50, "a": 45})
    records += [
        record("b", seed, items={WIN_RATE: records[seed].items[WIN_RATE]}, order=9) for seed in range(3)
    ]
    rows = rows_of(make_table(records))
    assert rows["b"].scores[LC] is None
    assert rows["a"].scores[LC] is not None


def test_a_row_with_holes_keeps_its_own_prompts() -> None:
    """p1 is judged only in seed 0, and p0's length is unknown in seed 1."""
    rows: dict[str, list[float | None]] = {"p0": [50.0], "p1": [100.0], "p2": [0.0]}
    lengths: dict[str, list[float | None]] = {"p0": [10.0], "p1": [30.0], "p2": [20.0]}
    fixed: Rows = {"p0": [20.0], "p1": [20.0], "p2": [20.0]}
    full = {WIN_RATE: items(rows), LENGTH: items(lengths), REFERENCE: items(fixed)}
    first = record("a", 0, items=full)
    second = record(
        "a",
        1,
        items=full | {WIN_RATE: items({**rows, "p1": [None]}), LENGTH: items({**lengths, "p0": [None]})},
    )
    found = controlled({"a": [first, second], "b": [record("b", seed, items=full) for seed in (0, 1)]})
    assert found is not None
    assert {seed: set(values) for seed, values in found.methods["a"].items()} == {
        0: {"p0", "p1", "p2"},
        1: {"p2"},
    }
    assert set(found.methods["b"][1]) == {"p0", "p1", "p2"}
