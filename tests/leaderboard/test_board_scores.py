"""What is common to two methods, and what is missing."""

import numpy as np
import pytest
from synthetic_records import WIN_RATE, Rows, items, record

from harness.leaderboard.scores import (
    OwnScore,
    count_expected,
    count_judgments,
    difference,
    judged,
    rectangle,
    score,
)


def test_an_item_is_the_mean_of_the_samples_that_were_judged() -> None:
    """p0: (100 + 0) / 2 = 50; p1: only 100; p2 was never judged and is left out."""
    rows: Rows = {"p0": [100.0, 0.0, None], "p1": [None, 100.0], "p2": [None]}
    assert judged([record(items={WIN_RATE: items(rows)})], WIN_RATE) == {0: {"p0": 50.0, "p1": 100.0}}


def test_a_replicate_without_the_metric_is_left_out() -> None:
    records = [
        record(replicate=0),
        record(replicate=1, items={}),
        record(replicate=2, items={WIN_RATE: items({})}),
    ]
    assert set(judged(records, WIN_RATE)) == {0}


def test_rectangle_keeps_what_all_have_in_all_common_replicates() -> None:
    """Replicate 2 is only in one; item b is missing in the other's replicate 1; sorted by name."""
    first = {0: {"b": 1.0, "a": 2.0, "c": 3.0}, 1: {"a": 4.0, "b": 5.0, "c": 6.0}, 2: {"a": 0.0}}
    second = {1: {"c": 30.0, "a": 10.0}, 0: {"a": 20.0, "b": 0.0, "c": 40.0}}
    tables = rectangle(first, second)
    assert tables is not None
    np.testing.assert_array_equal(tables[0], [[2, 3], [4, 6]])
    np.testing.assert_array_equal(tables[1], [[20, 40], [10, 30]])


@pytest.mark.parametrize(
    ("first", "second"), [({0: {"a": 1.0}}, {1: {"a": 1.0}}), ({0: {"a": 1.0}}, {0: {"b": 1.0}}), ({}, {})]
)
def test_nothing_in_common_is_no_number(
    first: dict[int, dict[str, float]], second: dict[int, dict[str, float]]
) -> None:
    assert rectangle(first, second) is None
    assert difference(first, second) is None


def test_score_of_nothing_is_no_number() -> None:
    assert score({}) is None


def test_pairing_cancels_what_both_share() -> None:
    """Method b is a + 1 + a little noise: each alone varies by about 30, the difference by 0.1."""
    rng = np.random.default_rng(0)
    values = rng.normal(50, 30, (3, 20))
    noisy = values + 1 + rng.normal(0, 0.1, values.shape)
    a, b = (
        {r: {str(p): row[p] for p in range(20)} for r, row in enumerate(table)} for table in (values, noisy)
    )
    alone, paired = score(b), difference(b, a)
    assert alone is not None
    assert paired is not None
    assert paired.mean == pytest.approx(1, abs=0.1)
    assert paired.ci_high is not None
    assert alone.ci_high is not None
    assert paired.ci_high - paired.mean < (alone.ci_high - alone.mean) / 50


def test_a_score_is_the_mean_of_all_that_was_judged() -> None:
    """Only a and b are in both replicates: 1, 2 and 3, 6. All: (1 + 2 + 3 + 6 + 8) / 5 = 4, not 3.

    The half width is that of the four: it is the same without the fifth.
    """
    common = {0: {"a": 1.0, "b": 2.0}, 1: {"a": 3.0, "b": 6.0}}
    found, whole = score(common | {0: common[0] | {"c": 8.0}}), score(common)
    assert found is not None
    assert whole is not None
    assert (found.mean, whole.mean) == (4, 3)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert whole.ci_high is not None
    assert found.ci_high - found.mean == pytest.approx(whole.ci_high - whole.mean)
    assert found.mean - found.ci_low == pytest.approx(whole.ci_high - whole.mean)


def test_a_score_without_common_items_has_no_interval() -> None:
    assert score({0: {"a": 1.0}, 1: {"b": 2.0}}) == OwnScore(1.5, None, None)


def test_a_difference_is_taken_over_common_items_only() -> None:
    """a: 5 - 1 and 7 - 2; b is in one replicate of the other only, c in one method only."""
    method = {0: {"a": 5.0, "b": 90.0, "c": 9.0}, 1: {"a": 7.0, "b": 90.0}}
    other = {0: {"a": 1.0, "b": 0.0}, 1: {"a": 2.0}}
    found = difference(method, other)
    assert found is not None
    assert found.mean == 4.5


def test_judgments_are_counted_against_the_fullest_record() -> None:
    """The full method sampled p0 and p1 twice in replicate 0: 4 expected; the poor one has 2."""
    full = record("full", items={WIN_RATE: items({"p0": [0.0, 1.0], "p1": [1.0, 1.0]})})
    poor = record("poor", items={WIN_RATE: items({"p0": [1.0], "p1": [None, 1.0]})})
    assert count_expected([full, poor], WIN_RATE) == 4
    assert count_judgments([poor], WIN_RATE) == 2
    assert count_judgments([poor], "other") == 0
