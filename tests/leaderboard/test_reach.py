"""The cost to reach the baseline's quality, by hand."""

from pathlib import Path
from typing import Any

import pytest
from synthetic_records import cost, items, record, task

from harness.leaderboard.assemble import make_table
from harness.leaderboard.board import make_board
from harness.leaderboard.reach import reached
from harness.leaderboard.record import Record, write_record
from harness.leaderboard.scores import WIN_RATE
from harness.leaderboard.table import Reach

BASE = {"p0": [50.0], "p1": [50.0], "p2": [50.0], "p3": [50.0]}


def made(method: str, gaps: list[float], flops: float, **declared: Any) -> list[Record]:
    """Two seeds; at the prompts p0 to p3 the method lies so far above the baseline's 50."""
    rates = {item: [50.0 + gap] for item, gap in zip(BASE, gaps, strict=True)}
    return [
        record(
            method,
            seed,
            declared=declared,
            items={WIN_RATE: items(rates)},
            tasks=[task(f"{method}-{seed}", spent=cost(1, flops))],
        )
        for seed in (0, 1)
    ]


def sized(prompts: int, **more: Any) -> dict[str, Any]:
    return {"responses_per_prompt": 4, "breadth": {"kind": "clusters", "prompts": prompts}, **more}


RECORDS = [
    *made("dpo", [0, 0, 0, 0], 100),
    *made("small", [-9, -11, -10, -10], 20, **sized(8)),
    *made("middle", [-5, -1, -2, -4], 40, **sized(16)),
    *made("large", [9, -8, 3, 0], 60, **sized(32)),
    *made("largest", [10, 9, 11, 10], 80, **sized(64)),
    *made("near", [-9, -11, -10, -10], 30, **sized(8, pairing={"kind": "nearest"})),
    *made("alone", [10, 9, 11, 10], 70, pairing={"kind": "best-worst"}),
]


def test_a_method_reaches_the_baseline_between_two_of_its_own_budgets() -> None:
    """The four sizes have means -10, -3, 1 and 10: not at 40 FLOPs, and at 60, where the interval holds less
    than 0 too. With other pairs, or without a size, a row has no budget but its own.
    """
    found = {row.method: row.reach for row in make_table(RECORDS).rows}
    for method in ("small", "middle", "large", "largest"):
        assert found[method] == Reach(60.0, 40.0, sure=False)
    assert found["near"] == Reach(None, 30.0, sure=False)
    assert found["alone"] == Reach(70.0, None, sure=True)
    assert found["dpo"] == Reach(100.0, None, sure=False)


def test_nothing_is_sure_where_the_baseline_is_the_first_of_its_own_kind() -> None:
    """The baseline has the win rate by being it: no interval says so, of it or of its larger sister."""
    base = made("dpo", [0, 0, 0, 0], 100, **sized(8))
    table = make_table([*base, *made("larger", [10, 9, 11, 10], 200, **sized(16))])
    assert [row.reach for row in table.rows] == 2 * [Reach(100.0, None, sure=False)]


def test_without_a_ranked_baseline_or_costs_nothing_is_reached() -> None:
    others = [one for one in RECORDS if one.method != "dpo"]
    assert {row.reach for row in make_table(others).rows} == {None}
    free = [one.model_copy(update={"tasks": []}) for one in RECORDS]
    assert {row.reach for row in make_table(free).rows} == {None}


@pytest.mark.parametrize(
    ("reach", "expected"),
    [
        (None, "–"),
        (Reach(None, 30.0, False), "not reached"),
        (Reach(70.0, None, True), "≤ 70"),
        (Reach(60.0, 40.0, False), "40 – 60"),
    ],
)
def test_how_it_is_told(reach: Reach | None, expected: str) -> None:
    assert reached(reach, lambda flops: f"{flops:.0f}") == expected


def test_every_page_of_a_board_shows_it(tmp_path: Path) -> None:
    for one in RECORDS:
        write_record(tmp_path / "records", one)
    files = make_board(tmp_path)
    lines = [line for line in files["README.md"].splitlines() if "| not reached |" in line]
    assert [line.split(" | ")[0] for line in lines] == ["| near"]
    assert "| **≤ 7.00e1** |" in files["README.md"]
    assert "| 4.00e1 – 6.00e1 |" in files["README.md"]
    assert '<td class="num" data-v="60">4×10¹ – 6×10¹</td>' in files["index.html"]
    assert '"reach": {"flops": 60.0, "more_than": 40.0, "sure": false}' in files["table.json"]
    assert {"reach.flops", "reach.more_than", "reach.sure"} < set(
        files["table.csv"].split("\n")[0].split(",")
    )
    assert files["index.html"].count('class="budget"') == 3  # lines between the four sizes
