"""Axes: what is left out of the range, where ticks stand, and where values lie."""

import pytest

from harness.leaderboard.axes import Axis, focus, linear_axis, log_axis
from harness.leaderboard.labels import place_labels


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([5.7, 43.7, 48.9, 52.3, 55.5], (43.7, 55.5)),  # without 5.7 less than half of the range is left
        ([40.0, 45.0, 50.0, 55.0], (40.0, 55.0)),
        ([50.0, 51.0, 52.0, 900.0], (50.0, 52.0)),
        ([0.0, 1.0, 100.0], (0.0, 100.0)),  # too few to call one of them an outlier
        ([-900.0, 50.0, 51.0, 52.0, 53.0, 900.0, 950.0], (50.0, 950.0)),  # two at most are left out
        ([3.0] * 5, (3.0, 3.0)),
        ([], (0.0, 0.0)),
    ],
)
def test_focus_leaves_out_what_would_press_all_others_together(
    values: list[float], shown: tuple[float, float]
) -> None:
    assert focus(values) == shown


def test_a_linear_axis_has_round_ticks_inside_a_margin() -> None:
    """0 to 10 with 6 % on both sides; six ticks ask for steps of 11.2 / 6 = 1.87, so of 2."""
    axis = linear_axis([0.0, 10.0])
    assert [axis.low, axis.high] == pytest.approx([-0.6, 10.6])
    assert axis.ticks == (0, 2, 4, 6, 8, 10)
    assert [axis.place(value) for value in (-0.6, 5.0, 10.6, 99.0)] == pytest.approx([0, 0.5, 1, 1])
    assert not axis.holds(11)


def test_ends_of_intervals_widen_an_axis_only_where_they_are_near() -> None:
    axis = linear_axis([50.0, 52.0], ends=[49.0, 53.0, 500.0])
    assert axis.holds(49)
    assert axis.holds(53)
    assert axis.high < 60


def test_an_axis_of_one_value_is_an_axis() -> None:
    for value in (0.0, 5.0, -5.0):
        axis = linear_axis([value])
        assert axis.place(value) == pytest.approx(0.5)
        assert axis.ticks


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([1e9, 1e12], (1e9, 1e10, 1e11, 1e12)),
        ([1e9, 1e10], (1e9, 2e9, 5e9, 1e10)),
        ([4.1e10, 7e10], (4e10, 5e10, 6e10, 7e10)),
        ([1.5e11, 1.7e11], (1.5e11, 1.6e11, 1.7e11)),
    ],
)
def test_a_log_axis_has_enough_ticks_however_narrow_it_is(
    values: list[float], ticks: tuple[float, ...]
) -> None:
    found = log_axis(values).ticks
    assert set(ticks) <= {float(f"{tick:.6g}") for tick in found}
    assert 3 <= len(found) <= 10


def test_a_log_axis_places_by_ratio() -> None:
    axis = Axis(1, 100, (), log=True)
    assert axis.place(10) == pytest.approx(0.5)


def test_labels_do_not_lie_over_points_or_each_other_and_the_first_have_precedence() -> None:
    """Two points 6 pixels apart: the first name goes right, the second left; a third finds no room."""
    spots = {"aaa": (0.50, 50.0), "bbb": (0.53, 50.0), "a-name-too-long-for-its-place": (0.5, 51.0)}
    placed = place_labels(list(spots), spots, 200, 100)
    assert placed["bbb"].anchor != placed["aaa"].anchor
    assert "a-name-too-long-for-its-place" not in placed
    alone = place_labels(["aaa"], {"aaa": (0.5, 50.0)}, 200, 100)["aaa"]
    assert (alone.anchor, alone.dx) == ("start", 11)
    assert place_labels(["aaa"], {"aaa": (0.99, 50.0)}, 200, 100)["aaa"].anchor == "end"
