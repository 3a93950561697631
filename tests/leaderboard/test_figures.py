"""What plots show: intervals and signs, the grid, curves, outputs side by side, and the headline."""

from dataclasses import replace

import pytest
from synthetic_records import WIN_RATE, board, items, record

from harness.leaderboard import figures
from harness.leaderboard.assemble import make_table
from harness.leaderboard.curves import MOST_POINTS, curves
from harness.leaderboard.headline import Standing, headline, names, standings
from harness.leaderboard.outputs import LONGEST, MOST, comparisons, verdict
from harness.leaderboard.record import Record, Sample
from harness.leaderboard.table import Difference


@pytest.mark.parametrize(
    ("mean", "p", "sign"), [(2.0, 0.01, 1), (-2.0, 0.01, -1), (2.0, 0.2, 0), (2.0, 0.05, 0), (2.0, None, 0)]
)
def test_only_a_significant_difference_has_a_sign(mean: float, p: float | None, sign: int) -> None:
    assert figures.sign_of(Difference(mean, None, None, p, p)) == sign


def test_points_are_the_ranked_rows_with_their_flops() -> None:
    table = make_table([*board({"dpo": 50, "a": 70}), record("late", order=9)])
    drawn = figures.points(table.rows)
    assert {point.mark.method for point in drawn} == {"dpo", "a"}
    assert {point.flops for point in drawn} == {3e11}
    assert [point.pareto for point in drawn if point.mark.method == "a"] == [True]


def test_the_matrix_says_the_opposite_the_other_way_round() -> None:
    (section,) = make_table(board({"dpo": 50, "a": 70})).sections
    cells = figures.matrix(section)
    there, back = cells["a", "dpo"], cells["dpo", "a"]
    assert (back.value, back.low, back.high) == (-there.value, -there.high, -there.low)  # type: ignore[operator]
    assert (there.sign, back.sign) == (1, -1)


def methods(declared: dict[str, dict[str, object]], budget: dict[str, object]) -> list[Record]:
    fixed = {"seeds": {"vary": []}, "budget": budget}
    return [
        record(name, declared=table, fixed=fixed, order=place)
        for place, (name, table) in enumerate(declared.items())
    ]


def test_a_grid_holds_the_methods_that_differ_in_size_only() -> None:
    """768 responses are 384 prompts x 2 or 96 x 8; a depth that is not named is 1 pair for each prompt."""
    records = methods(
        {
            "dpo": {"responses_per_prompt": 2},
            "wide": {"responses_per_prompt": 4, "depth": {"kind": "uniform", "pairs": 2}},
            "a": {"responses_per_prompt": 8, "depth": {"kind": "uniform", "pairs": 2}},
            "b": {"responses_per_prompt": 8, "depth": {"kind": "uniform", "pairs": 4}},
            "other": {"responses_per_prompt": 8, "pairing": {"kind": "longest"}},
            "sft": {},
        },
        {"responses": 768, "pairs": None},
    )
    table = make_table(records)
    grid = figures.grid(table, table.rows)
    assert grid is not None
    assert (grid.prompts, grid.depths) == ((384, 192, 96), (1, 2, 4))
    assert {size: mark.method for size, mark in grid.cells.items()} == {
        (384, 1): "dpo",
        (192, 2): "wide",
        (96, 2): "a",
        (96, 4): "b",
    }


def test_a_grid_at_equal_pairs_has_the_depths_that_the_budget_leaves() -> None:
    """384 pairs over 384, 192, 96 and 48 prompts."""
    sizes = {
        str(n): {"responses_per_prompt": 8, "breadth": {"kind": "random", "prompts": n}}
        for n in (384, 192, 96, 48)
    }
    records = methods({"dpo": {}, **sizes}, {"responses": None, "pairs": 384})
    table = make_table(records)
    grid = figures.grid(table, table.rows)
    assert grid is not None
    assert set(grid.cells) == {(384, 1), (192, 2), (96, 4), (48, 8)}


def test_three_methods_are_no_grid() -> None:
    declared = {name: {"responses_per_prompt": n} for name, n in {"dpo": 2, "a": 4, "b": 8}.items()}
    table = make_table(methods(declared, {"responses": 768}))  # type: ignore[arg-type]
    assert figures.grid(table, table.rows) is None


def logged(method: str, replicate: int, losses: list[float]) -> Record:
    return record(method, replicate, training={"history": [{"loss": loss} for loss in losses]})


def test_a_curve_is_the_mean_over_replicates_and_stretches() -> None:
    """48 steps in 24 stretches of two: steps 1 and 2 have the middle 1.5 and the mean (1+2+3+4)/4 = 2.5."""
    runs = [
        logged("a", 0, [1.0, 2.0, *[0.0] * 46]),
        logged("a", 1, [3.0, 4.0, *[0.0] * 46]),
        record("null", training={}),
    ]
    found = curves(runs, ["a", "null"])
    assert list(found) == ["loss"]
    (curve,) = found["loss"]
    assert curve.points[:2] == ((1.5, 2.5), (3.5, 0.0))
    assert len(curve.points) == MOST_POINTS


def test_curves_of_unequal_runs_cover_the_steps_that_all_have() -> None:
    (curve,) = curves([logged("a", 0, [1.0, 2.0, 3.0]), logged("a", 1, [3.0, 4.0])], ["a"])["loss"]
    assert curve.points == ((1.0, 2.0), (2.0, 3.0))


@pytest.mark.parametrize("history", ["none", [], [{"other": 1.0}], [{"loss": "nan"}]])
def test_a_log_that_says_nothing_is_no_curve(history: object) -> None:
    assert curves([record("a", training={"history": history})], ["a"]) == {}


def wrote(method: str, text: str, preference: float | None = 2.0, prompt: str = "Name a river.") -> Record:
    return record(
        method, samples=[Sample(prompt=prompt, reference="Nile.", output=text, preference=preference)]
    )


def test_methods_that_wrote_the_same_with_the_same_verdict_stand_together() -> None:
    records = [wrote("a", "Po."), wrote("b", "Po."), wrote("c", "Po.", 1.0), wrote("d", "Rhine.", None)]
    (one,) = comparisons(records, ["b", "a", "c", "d"])
    assert [(answer.methods, answer.text, verdict(answer.preference)) for answer in one.answers] == [
        (("b", "a"), "Po.", "better than the reference"),
        (("c",), "Po.", "reference better"),
        (("d",), "Rhine.", "no verdict"),
    ]
    assert (verdict(1.5), verdict(1.25)) == ("tie", "preference 1.25")


def test_long_texts_are_cut_and_only_as_many_prompts_shown_as_a_page_bears() -> None:
    (one,) = comparisons([wrote("a", "x" * 5000)], ["a"])
    assert one.answers[0].text == "x" * (LONGEST - 1) + "…"
    samples = [
        Sample(prompt=f"p{n}", reference="y" * LONGEST, output="x" * LONGEST, preference=2.0)
        for n in range(200)
    ]
    shown = comparisons([record("a", samples=samples)], ["a"])
    assert MOST - 2 * LONGEST < sum(len(c.prompt) + 2 * LONGEST for c in shown) <= MOST


def ranks(**rows: tuple[int | None, int | None]) -> list[Standing]:
    return [Standing(method, rank, sign) for method, (rank, sign) in rows.items()]


def test_the_headline_claims_what_the_tests_found() -> None:
    rows = ranks(a=(1, 1), base=(1, None), b=(3, 0), c=(4, -1), late=(None, None))
    first, against = headline(rows, "base")
    assert first.startswith("2 of 4 ranked methods share rank 1: a and base;")
    assert against.endswith("significantly better: a; significantly worse: c.")
    assert "alone has rank 1" in headline(ranks(a=(1, 1), base=(2, None)), "base")[0]
    assert headline(ranks(a=(1, 0), base=(1, None)), "base")[0].startswith(
        "All 2 ranked methods share rank 1"
    )
    assert headline(ranks(a=(1, None)), "base") == ["Only a is ranked."]
    assert headline(ranks(a=(None, None)), "base") == ["Nothing is ranked yet."]


def test_the_headline_names_a_few_and_counts_the_rest() -> None:
    assert names(["a"]) == "a"
    assert names(["a", "b", "c"]) == "a, b and c"
    assert names(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"


def test_standings_are_those_of_the_first_section() -> None:
    records = [record(), record("a", comparable={"judge": "other"})]
    table = make_table(records)
    assert [row.method for row in standings(table)] == ["dpo"]
    assert [row.method for row in standings(replace(table, rows=table.rows[1:]))] == []


def test_a_row_without_a_win_rate_is_in_no_plot() -> None:
    table = make_table([record(), record("a", items={"x": items({"p": [1.0]})})])
    assert WIN_RATE in table.rows[1].scores
    assert [mark.method for mark in figures.win_rates(table.rows)] == ["dpo"]
    assert figures.differences(table.rows) == []
