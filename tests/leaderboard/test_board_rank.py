"""Ranks, ties, completeness, sections and the Pareto front, on records made for the purpose."""

from collections.abc import Sequence

import numpy as np
import pytest
from synthetic_records import FIXED, WIN_RATE, board, cost, items, record, task

from harness.errors import BadInput
from harness.leaderboard.assemble import make_table
from harness.leaderboard.cost import UNKNOWN
from harness.leaderboard.groups import merged
from harness.leaderboard.rank import pareto_front, rank_methods
from harness.leaderboard.record import Record
from harness.leaderboard.scores import difference, judged
from harness.leaderboard.statistics import holm
from harness.leaderboard.table import Difference, Row, Table


def flat(
    method: str, rate: float, replicates: Sequence[int] = (0, 1, 2), spread: float = 1.0
) -> list[Record]:
    """Records with 40 prompts of mean `rate` exactly; the noise depends on the method's name only."""
    noise = np.random.default_rng(list(method.encode())).normal(0, spread, (len(replicates), 40))
    noise -= noise.mean()
    return [
        record(method, r, items={WIN_RATE: items({f"p{p}": [rate + row[p]] for p in range(40)})})
        for r, row in zip(replicates, noise, strict=True)
    ]


def rows_of(table: Table) -> dict[str, Row]:
    return {row.method: row for row in table.rows}


def gap_of(table: Table, method: str) -> Difference:
    """The method's difference to the baseline in win rate, which must be there."""
    score = rows_of(table)[method].scores[WIN_RATE]
    assert score is not None
    assert score.difference is not None
    return score.difference


def test_rank_counts_the_rows_that_are_significantly_better() -> None:
    """60 and 60.1 with noise of 1 / sqrt(120) are one tie; 55 has two rows above it, 50 three."""
    table = make_table(flat("dpo", 55) + flat("a", 60) + flat("b", 60.1) + flat("c", 50))
    assert [(row.method, row.rank) for row in table.rows[2:]] == [("dpo", 3), ("c", 4)]
    assert {row.method: row.rank for row in table.rows[:2]} == {"a": 1, "b": 1}
    assert rows_of(table)["a"].tied_with == ["b"]
    assert rows_of(table)["c"].tied_with == []
    assert (table.sections[0].separated, table.sections[0].compared) == (5, 6)


def test_equal_rank_is_sorted_by_win_rate() -> None:
    table = make_table(board({"dpo": 60, "a": 60.1, "b": 60.2}, prompts=30))
    assert {row.rank for row in table.rows} == {1}
    means = [score.mean for row in table.rows if (score := row.scores[WIN_RATE])]
    assert means == sorted(means, reverse=True)


def test_ranks_are_corrected_for_the_number_of_comparisons() -> None:
    """Twelve equal methods on 60 boards: 66 tests each, yet hardly ever more than one rank."""
    torn = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        methods = {
            str(m): {r: {str(p): x for p, x in enumerate(rng.normal(size=20))} for r in range(3)}
            for m in range(12)
        }
        torn += rank_methods(methods).separated > 0
    assert torn <= 6


def test_differences_are_taken_against_the_baseline_and_adjusted_over_the_rows() -> None:
    table = make_table(flat("dpo", 55) + flat("a", 55.3) + flat("b", 55.5) + flat("c", 54.9))
    base = rows_of(table)["dpo"].scores[WIN_RATE]
    assert base is not None
    assert base.difference is None
    gaps = [gap_of(table, method) for method in ("a", "b", "c")]
    assert [gap.mean for gap in gaps] == pytest.approx([0.3, 0.5, -0.1])
    assert all(
        (gap.p_holm or 0) >= (alone or 0)
        for gap, alone in zip(gaps, holm([gap.p for gap in gaps]), strict=True)
    )
    assert any(gap.p != gap.p_holm for gap in gaps)


def test_length_control_and_absent_metrics_are_null_in_every_row() -> None:
    records = [*flat("dpo", 50), *flat("null-model", 10)]
    records[0] = records[0].model_copy(
        update={"items": records[0].items | {"world.depth": items({"e": [1.0]})}}
    )
    table = make_table(records)
    for row in table.rows:
        assert set(row.scores) == {WIN_RATE, "alpaca_eval.lc_win_rate", "world.depth"}
        assert row.scores["alpaca_eval.lc_win_rate"] is None
    assert rows_of(table)["null-model"].scores["world.depth"] is None
    assert rows_of(table)["null-model"].complete


def test_missing_judgments_leave_a_row_unranked_and_say_how_many() -> None:
    """One None among 3 x 40 judgments; the difference still comes from the 39 prompts that are whole."""
    records = flat("dpo", 50) + flat("a", 60)
    holed = items({f"p{p}": [None if p == 0 else 60.0 + p] for p in range(40)})
    records[4] = records[4].model_copy(update={"items": {WIN_RATE: holed}})
    table = make_table(records)
    row = rows_of(table)["a"]
    assert (row.rank, row.pareto, row.complete) == (None, None, False)
    assert (row.judgments.found, row.judgments.expected) == (119, 120)
    assert row.missing == ["alpaca_eval.win_rate: 119 of 120 judgments"]
    assert gap_of(table, "a").mean > 9


def test_a_missing_replicate_leaves_a_row_unranked_but_compared() -> None:
    table = make_table(flat("dpo", 50) + flat("a", 60, replicates=(0, 2)))
    rows = rows_of(table)
    assert rows["a"].missing == ["no record for seed 1", "alpaca_eval.win_rate: 80 of 120 judgments"]
    assert rows["a"].seeds == [0, 2]
    assert gap_of(table, "a").mean == pytest.approx(10, abs=0.5)
    assert rows["dpo"].rank == 1


def test_a_row_without_any_win_rate_is_incomplete() -> None:
    row = rows_of(
        make_table([*flat("dpo", 50, (0,)), record("a", items={"world.depth": items({"e": [1.0]})})])
    )["a"]
    assert row.missing == ["alpaca_eval.win_rate: 0 of 40 judgments"]
    assert row.scores[WIN_RATE] is None


def test_a_board_without_win_rates_ranks_nothing() -> None:
    table = make_table([record(items={"world.depth": items({"e": [1.0], "f": [0.0]})})])
    assert (table.rows[0].rank, table.rows[0].complete) == (None, True)


def test_identical_methods_tie_and_constant_differences_are_not_tested() -> None:
    """Method a is dpo again: difference 0, p = 1. Method c is dpo + 5 everywhere: no spread, no p, a tie."""
    base = flat("dpo", 50)
    same = [one.model_copy(update={"method": "a"}) for one in base]
    shifted = [
        one.model_copy(
            update={
                "method": "c",
                "items": {WIN_RATE: items({i: [(v[0] or 0) + 5] for i, v in _pairs(one)})},
            }
        )
        for one in base
    ]
    table = make_table(base + same + shifted)
    assert [row.rank for row in table.rows] == [1, 1, 1]
    again, above = gap_of(table, "a"), gap_of(table, "c")
    assert (again.mean, again.ci_low, again.p) == (0, None, 1)
    assert (round(above.mean, 9), above.ci_low, above.p) == (5, None, None)
    assert table.smallest_detectable_difference is None


def _pairs(one: Record) -> list[tuple[str, list[float | None]]]:
    return list(zip(one.items[WIN_RATE].ids, one.items[WIN_RATE].values, strict=True))


def test_one_method_alone_is_ranked_first() -> None:
    table = make_table(flat("dpo", 50))
    assert [(row.rank, row.pareto, row.tied_with) for row in table.rows] == [(1, True, [])]
    assert table.smallest_detectable_difference is None
    assert table.sections[0].noise is None


def test_one_judgment_alone_has_no_interval() -> None:
    score = make_table([record(items={WIN_RATE: items({"p": [50.0]})})]).rows[0].scores[WIN_RATE]
    assert score is not None
    assert (score.mean, score.ci_low, score.ci_high) == (50, None, None)


def test_the_noise_of_a_section_is_the_mean_over_comparisons_with_the_baseline() -> None:
    records = flat("dpo", 50) + flat("a", 51) + flat("b", 52)
    win_rates = {
        method: judged([r for r in records if r.method == method], WIN_RATE) for method in ("dpo", "a", "b")
    }
    gaps = [difference(win_rates[method], win_rates["dpo"]) for method in ("a", "b")]
    noise = make_table(records).sections[0].noise
    assert noise is not None
    assert noise.residual == pytest.approx(np.mean([gap.parts.residual for gap in gaps if gap]))


def test_one_seed_takes_its_noise_from_prompts_only() -> None:
    section = make_table(flat("dpo", 50, (7,)) + flat("a", 51, (7,))).sections[0]
    assert section.seeds == [7]
    assert section.noise is not None
    assert (section.noise.replicates, section.noise.residual) == (None, None)


def test_rows_that_are_not_comparable_are_never_ranked_together() -> None:
    """The section with the baseline comes first, though the other's method is first in the recipe."""
    other = [
        one.model_copy(update={"comparable": {"judge": "oracle-2"}, "order": -1}) for one in flat("a", 90)
    ]
    table = make_table(flat("dpo", 50) + flat("b", 60) + other)
    assert [(row.method, row.section, row.rank) for row in table.rows] == [
        ("b", 1, 1),
        ("dpo", 1, 2),
        ("a", 2, 1),
    ]
    lone = rows_of(table)["a"]
    score = lone.scores[WIN_RATE]
    assert score is not None
    assert score.difference is None
    assert (lone.overhead.alone, lone.overhead.shared) == (UNKNOWN, UNKNOWN)
    assert [section.has_baseline for section in table.sections] == [True, False]


def test_a_method_on_two_devices_is_two_rows() -> None:
    records = flat("dpo", 50)
    records[2] = records[2].model_copy(update={"comparable": {"device": "cuda"}})
    assert [(row.section, row.seeds) for row in make_table(records).rows] == [(1, [0, 1]), (2, [2])]


def test_overheads_and_counts_are_those_of_the_records() -> None:
    records = [
        record("dpo", tasks=[task("x", spent=cost(10, 100))]),
        record("a", tasks=[task("y", spent=cost(15, 300))], pairs=9, prompts=3),
        record("a", 1, tasks=[task("z", spent=cost(25, 300))], pairs=10, prompts=3),
        record("sft", tasks=[], pairs=0, prompts=0),
    ]
    rows = rows_of(make_table(records))
    assert rows["a"].overhead.alone.wall == pytest.approx(1.0)
    assert rows["a"].overhead.alone.flops == pytest.approx(2.0)
    assert (rows["a"].pairs, rows["a"].prompts) == (9.5, 3)
    assert rows["a"].mean_depth == pytest.approx(9.5 / 3)
    assert (rows["sft"].overhead.alone.wall, rows["sft"].mean_depth) == (-1, None)


def test_pareto_front_by_hand() -> None:
    """(50, 1) is cheapest; (60, 5) beats (55, 5) and (60, 9); two equal points do not beat each other."""
    points = [(50.0, 1.0), (60.0, 5.0), (55.0, 5.0), (60.0, 9.0), (70.0, 9.0), (70.0, 9.0)]
    assert pareto_front(points) == [True, True, False, False, True, True]
    assert pareto_front([]) == []


def test_the_order_of_records_changes_nothing() -> None:
    records = board({"dpo": 50, "a": 60, "b": 55}, prompts=10)
    assert make_table(records[::-1]) == make_table(records)


def test_more_of_a_difference_is_detectable_with_more_prompts() -> None:
    methods = dict.fromkeys(("dpo", "a", "b", "c", "d", "e"), 50.0)
    few, many = (make_table(board(methods, prompts=n, replicates=5)) for n in (20, 500))
    assert few.smallest_detectable_difference is not None
    assert many.smallest_detectable_difference is not None
    assert many.smallest_detectable_difference < few.smallest_detectable_difference / 2


def test_records_of_different_recipes_are_refused() -> None:
    with pytest.raises(BadInput) as caught:
        make_table([record(), record(replicate=1, title="New", baseline="x")])
    assert [problem.split(".")[0] for problem in caught.value.problems] == [
        "Records of one leaderboard must have the same title",
        "Records of one leaderboard must have the same baseline",
    ]


def test_records_that_hold_other_things_equal_are_refused() -> None:
    """A value that differs, and one that only one of them sets; what is not set at all does not differ."""
    budget, pool = {"responses": 768, "pairs": 9}, {"prompts": {"kind": "atlas", "count": 640}}
    changed = record(replicate=1, fixed=FIXED | {"budget": budget, "pool": pool, "new": {"unset": None}})
    with pytest.raises(BadInput) as caught:
        make_table([record(), changed])
    remedy = "Run the recipe again, and delete the records that are left from before."
    assert caught.value.problems == (
        f"Records of one leaderboard must be equal in budget.pairs. Got 9 and not set. {remedy}",
        f"Records of one leaderboard must be equal in pool.prompts.count. Got 640 and 800. {remedy}",
    )


def test_a_method_that_changed_between_seeds_is_refused() -> None:
    with pytest.raises(BadInput, match="'dpo' was declared otherwise for seed 1 than for seed 0"):
        make_table([record(), record(replicate=1, declared={"loss": {"kind": "ipo"}})])


def test_no_records_are_refused() -> None:
    with pytest.raises(BadInput, match="Run the recipe first"):
        make_table([])


def test_provenance_keeps_what_differs() -> None:
    records = [record(provenance={"a": 1, "b": "x"}), record(replicate=1, provenance={"a": 1, "b": "w"})]
    assert make_table(records).provenance == {"a": 1, "b": ["w", "x"]}


def test_what_was_merged_can_be_merged_again() -> None:
    """One record's tasks ran on two devices with two versions of one package, another's on one of them."""
    tasks = [
        {"device": "cuda", "packages": {"torch": "2.1", "trl": "1"}},
        {"device": "cpu", "packages": {"torch": "2.0", "trl": "1"}},
    ]
    both = {"device": ["cpu", "cuda"], "packages": {"torch": ["2.0", "2.1"], "trl": "1"}}
    assert merged(tasks) == both
    assert merged([merged(tasks), tasks[0]]) == both
    assert merged([]) == {}


def test_a_board_of_the_size_of_alpaca_eval_compares_all_its_rows() -> None:
    """12 methods x 5 replicates x 805 prompts x 4 samples: 66 pairs. How long it takes: benchmark `board`."""
    table = make_table(board({f"m{n}": 50 + n for n in range(11)} | {"dpo": 50}, replicates=5, prompts=805))
    assert len(table.rows) == 12
    assert table.sections[0].compared == 66
    assert {row.judgments.found for row in table.rows} == {5 * 805 * 4}
