"""Two boards compared: paired where they can be, wider where not, and the conditions that fail."""

from collections.abc import Sequence

import numpy as np
import pytest
from synthetic_records import FIXED, WIN_RATE, cost, items, record, task

from harness.errors import BadInput
from harness.leaderboard.compare import Change, Side, compare, side_of_records
from harness.leaderboard.gates import failures, parse_gate
from harness.leaderboard.record import Record

FLOPS = "cost.alone.flops"


def records(
    shift: float = 0.0, seeds: Sequence[int] = (0, 1, 2), flops: float = 100, wins: int = 40
) -> list[Record]:
    """One method with `wins` prompts of 20 to 80 % and a little noise that `shift` changes."""
    rng = np.random.default_rng(int(abs(10 * shift)))
    rates = np.linspace(20, 80, wins)
    return [
        record(
            "dpo",
            seed,
            items={
                WIN_RATE: items(
                    {f"p{p}": [rate + shift + rng.normal(0, 0.5)] for p, rate in enumerate(rates)}
                )
            },
            tasks=[task(f"t{seed}", spent=cost(10 + seed, flops))],
        )
        for seed in seeds
    ]


def found(before: Side, after: Side, metric: str = WIN_RATE) -> Change:
    (change,) = [one for one in compare(before, after).changes if one.metric == metric]
    return change


def ends(change: Change) -> tuple[float, float]:
    assert change.ci_low is not None
    assert change.ci_high is not None
    return change.ci_low, change.ci_high


def test_the_same_items_are_compared_in_pairs() -> None:
    """Prompts differ by 17 points, the noise of a difference is 0.7 / sqrt(120): paired it is told apart."""
    change = found(side_of_records(records()), side_of_records(records(shift=-1.0)))
    low, high = ends(change)
    assert change.paired
    assert change.difference == pytest.approx(-1, abs=0.3)
    assert high - low < 1.5
    assert change.verdict == "worse"


def test_tables_alone_are_unpaired_and_wider_by_the_root_of_the_squares() -> None:
    first, second = (side_of_records(records(shift)) for shift in (0.0, -1.0))
    change = found(Side(first.table, {}), Side(second.table, {}))
    halves = [
        row["scores"][WIN_RATE]["ci_high"] - row["scores"][WIN_RATE]["mean"]
        for row in (first.table["rows"][0], second.table["rows"][0])
    ]
    low, high = ends(change)
    assert not change.paired
    assert high - low == pytest.approx(2 * np.hypot(*halves))
    assert change.verdict == "not told apart"


def test_a_seed_more_is_paired_on_the_common_ones_and_other_prompts_are_not() -> None:
    more = side_of_records(records(seeds=(0, 1, 2, 3)))
    assert found(side_of_records(records()), more).paired
    fewer = side_of_records(records(wins=30))
    assert found(side_of_records(records()), fewer).paired
    other = [
        one.model_copy(update={"items": {WIN_RATE: items({f"q{p}": [50.0 + p] for p in range(40)})}})
        for one in records()
    ]
    assert not found(side_of_records(records()), side_of_records(other)).paired


def test_another_evaluation_is_never_paired_and_named() -> None:
    fixed = FIXED | {"evaluation": {"alpaca_eval": {"temperature": 0.5}}}
    other = [one.model_copy(update={"fixed": fixed}) for one in records()]
    comparison = compare(side_of_records(records()), side_of_records(other))
    assert not any(change.paired for change in comparison.changes)
    assert comparison.settings == ["evaluation.alpaca_eval.temperature: not set before, 0.5 after"]


def test_the_same_board_has_not_changed() -> None:
    side = side_of_records(records())
    comparison = compare(side, side)
    assert {change.verdict for change in comparison.changes} == {"not told apart"}
    assert {change.difference for change in comparison.changes} == {0}


def test_a_cost_that_rises_is_worse_and_one_without_spread_has_no_interval() -> None:
    """FLOPs are 100 in each seed, then 150: the difference does not vary. Seconds are the same."""
    before, after = side_of_records(records()), side_of_records(records(flops=150))
    change = found(before, after, FLOPS)
    assert (change.before, change.after, change.difference) == (100, 150, 50)
    assert (change.ci_low, change.verdict) == (None, "no interval")
    assert found(before, after, "cost.alone.wall_s").verdict == "not told apart"


def test_how_the_energy_is_known_is_no_cost_to_compare() -> None:
    """8 J and then 6, both measured."""

    def side(used: float) -> Side:
        spent = cost(10).model_copy(update={"energy_j": used, "energy": "measured"})
        return side_of_records([record(tasks=[task("t", spent=spent)])])

    assert found(side(8.0), side(6.0), "cost.alone.energy_j").difference == -2


def test_rows_and_metrics_of_one_side_are_named() -> None:
    extra = record("new", order=1, items={WIN_RATE: items({"p0": [1.0]})})
    world = [
        one.model_copy(update={"items": one.items | {"world.depth": items({"e": [1.0]})}})
        for one in records()
    ]
    before, after = side_of_records([*records(), extra]), side_of_records(world)
    comparison = compare(before, after)
    assert comparison.gone == [("new", None)]
    assert comparison.new == [("dpo", "world.depth")]
    assert failures([], comparison) == []
    assert failures([parse_gate(f"{WIN_RATE} drops 2")], comparison) == [
        "new: has no record any more, so that no condition can be checked on it"
    ]


def test_a_row_that_lacks_judgments_now_is_named() -> None:
    holed = records()
    rates = holed[0].items[WIN_RATE]
    holed[0] = holed[0].model_copy(
        update={"items": {WIN_RATE: rates.model_copy(update={"values": [[None], *rates.values[1:]]})}}
    )
    comparison = compare(side_of_records(records()), side_of_records(holed))
    assert comparison.incomplete == ["dpo"]
    assert compare(side_of_records(holed), side_of_records(records())).incomplete == []
    (change,) = [one for one in comparison.changes if one.metric == WIN_RATE]
    assert change.paired
    assert change.difference == 0


@pytest.mark.parametrize(
    ("condition", "fails"),
    [
        ("alpaca_eval.win_rate drops 1", True),
        ("alpaca_eval.win_rate drops 4", False),
        ("alpaca_eval.win_rate drops 3%", True),
        ("alpaca_eval.win_rate drops 8%", False),
        ("alpaca_eval.win_rate rises 0", False),
        ("  cost.alone.flops   rises 50 % ", True),
        ("cost.alone.flops rises 50.5%", False),
        ("cost.alone.flops rises 50", True),
        ("cost.alone.wall_s rises 0", False),
    ],
)
def test_a_condition_fails_where_the_change_is_as_large(condition: str, fails: bool) -> None:
    """Win rate 50 falls by about 3 (6 %); FLOPs go from 100 to 150."""
    comparison = compare(side_of_records(records()), side_of_records(records(shift=-3.0, flops=150)))
    assert bool(failures([parse_gate(condition)], comparison)) == fails


def test_a_drop_within_the_noise_fails_nothing() -> None:
    first, second = (side_of_records(records(shift)) for shift in (0.0, -3.0))
    comparison = compare(Side(first.table, {}), Side(second.table, {}))
    assert failures([parse_gate("alpaca_eval.win_rate drops 2")], comparison) == []


def test_a_failure_says_row_metric_change_and_condition() -> None:
    comparison = compare(side_of_records(records()), side_of_records(records(flops=150)))
    assert failures([parse_gate("cost.alone.flops rises 10%")], comparison) == [
        "dpo: cost.alone.flops went from 100.000 to 150.000 (+50.000), against 'cost.alone.flops rises 10%'"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alpaca_eval.win_rate",
        "x drops",
        "x falls 2",
        "x drops -2",
        "x drops 2 points",
        "x drops nan",
        "drops 2",
    ],
)
def test_a_malformed_condition_is_a_sentence(text: str) -> None:
    with pytest.raises(BadInput, match=r"--fail-if: must be METRIC drops\|rises N\[%\]"):
        parse_gate(text)


def test_an_unknown_metric_is_named_with_its_neighbour() -> None:
    side = side_of_records(records())
    with pytest.raises(
        BadInput, match=r"has the metric 'alpaca_eval\.winrate'. Did you mean 'alpaca_eval\.win_rate'"
    ):
        failures([parse_gate("alpaca_eval.winrate drops 2")], compare(side, side))
    with pytest.raises(BadInput, match=r"They have: alpaca_eval\.win_rate, cost\.alone\.cpu_s"):
        failures([parse_gate("zzz drops 2")], compare(side, side))
