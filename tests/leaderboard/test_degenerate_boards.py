"""Boards without spread, with holes, or nearly empty: never a crash, never a number out of nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_records import WIN_RATE, Rows, items, record

from harness.leaderboard.assemble import make_table
from harness.leaderboard.board import make_board
from harness.leaderboard.record import Record, write_record
from harness.leaderboard.table import Row

LENGTH, REFERENCE = "alpaca_eval.mean_length", "alpaca_eval.reference_length"


def row_records(method: str, rows: Rows, seeds: int = 3, **changes: Any) -> list[Record]:
    return [record(method, seed, items={WIN_RATE: items(rows)}, **changes) for seed in range(seeds)]


def rows_of(records: list[Record], folder: Path) -> dict[str, Row]:
    """The rows, after every file of the board was made of them; JSON would refuse NaN."""
    for one in records:
        write_record(folder / "records", one)
    files = make_board(folder)
    assert "nan" not in files["README.md"].lower().replace("null", "")
    json.loads(files["table.json"])
    return {row.method: row for row in make_table(records).rows}


def flat(value: float, prompts: int = 5) -> Rows:
    return {f"p{prompt}": [value] for prompt in range(prompts)}


def test_all_ties_are_one_tie(tmp_path: Path) -> None:
    rows = rows_of(
        row_records("dpo", flat(50)) + row_records("a", flat(50)) + row_records("b", flat(50)), tmp_path
    )
    assert {row.rank for row in rows.values()} == {1}
    assert {
        (row.rank_interval.best, row.rank_interval.worst) for row in rows.values() if row.rank_interval
    } == {(1, 1)}
    own = rows["a"].scores[WIN_RATE]
    assert own is not None
    assert own.ci_low is None
    assert own.difference is not None
    assert (own.difference.mean, own.difference.p, own.difference.p_holm) == (0, 1, 1)


def test_a_difference_without_spread_is_shown_but_not_tested(tmp_path: Path) -> None:
    """0 against 100 on every prompt: no p value and so a tie, though the places differ in every draw."""
    rows = rows_of(row_records("dpo", flat(0)) + row_records("a", flat(100)), tmp_path)
    own = rows["a"].scores[WIN_RATE]
    assert own is not None
    assert own.difference is not None
    assert (own.difference.mean, own.difference.p) == (100, None)
    assert (rows["a"].rank, rows["dpo"].rank) == (1, 1)
    assert rows["dpo"].rank_interval is not None
    assert rows["dpo"].rank_interval.best == 2


def test_one_method_one_prompt_one_seed(tmp_path: Path) -> None:
    rows = rows_of(row_records("dpo", flat(70, prompts=1), seeds=1), tmp_path)
    assert rows["dpo"].rank == 1
    own = rows["dpo"].scores[WIN_RATE]
    assert own is not None
    assert own.ci_low is None


def test_a_row_without_a_seed_says_what_its_difference_rests_on(tmp_path: Path) -> None:
    base = {f"p{prompt}": [40.0 + prompt] for prompt in range(8)}
    better = {f"p{prompt}": [50.0 + prompt % 3] for prompt in range(8)}
    rows = rows_of(row_records("dpo", base) + row_records("a", better, seeds=2), tmp_path)
    assert rows["a"].rank is None
    text = make_board(tmp_path)["README.md"]
    assert "a is incomplete and not ranked: no record for seed 2; " in text
    assert "a: its difference is taken on the prompts and seeds that both rows have." in text


def test_nothing_judged_at_all(tmp_path: Path) -> None:
    rows = rows_of(row_records("dpo", flat(50)) + row_records("a", {"p0": [None], "p1": [None]}), tmp_path)
    assert rows["a"].scores[WIN_RATE] is None
    assert rows["a"].judgments.found == 0


@pytest.mark.parametrize("seed", range(25))
def test_any_board_makes_all_files(tmp_path: Path, seed: int) -> None:
    """Few methods, seeds, prompts, samples and values; lengths with and without spread; holes anywhere."""
    rng = np.random.default_rng(seed)
    values, lengths = (
        rng.choice(choices, rng.integers(1, 4)) for choices in ([0, 50, 100, 3.3], [0, 1, 7, 5000])
    )
    prompts, seeds, holes = rng.integers(1, 5), rng.integers(1, 4), rng.random() * 0.5

    def drawn(choices: Any) -> Rows:
        return {
            f"p{prompt}": [
                None if rng.random() < holes else float(rng.choice(choices))
                for _ in range(rng.integers(1, 3))
            ]
            for prompt in range(prompts)
        }

    records = [
        record(
            method,
            replicate,
            items={
                WIN_RATE: items(drawn(values)),
                LENGTH: items(drawn(lengths)),
                REFERENCE: items(drawn(lengths)),
            },
        )
        for method in ("dpo", "a", "b", "c")[: rng.integers(1, 5)]
        for replicate in range(seeds)
        if rng.random() > holes / 2
    ]
    if records:
        rows = rows_of(records, tmp_path)
        assert all(row.rank is None or row.rank <= len(rows) for row in rows.values())
