"""Judging through alpaca_eval, against an independent computation."""

import logging
import math
import random
from collections.abc import Callable, Sequence

import pytest

from harness.evaluation.alpaca_eval import Comparison, PairJudge, compare, winrate_summary

NASTY = (
    '{output_1} {instruction} "quoted" \\ back\nline\ttab',
    "{{ }} {",
    "Größe 😀 \u2028 <I></I>",
    "nan",
    "",
)


def each(judge: Callable[[str, str, str], float | None]) -> PairJudge:
    """A judge of many from a judge of one."""

    def many(rows: Sequence[tuple[str, str, str]]) -> list[float | None]:
        return [judge(*row) for row in rows]

    return many


def by_length(instruction: str, first: str, second: str) -> float | None:
    """Longer is better; no verdict where either text says so."""
    if "silent" in (first, second):
        return None
    return 1.5 + 0.5 * ((len(second) > len(first)) - (len(second) < len(first)))


def random_comparisons(count: int) -> list[Comparison]:
    """Few texts, so that identical outputs and repeated comparisons occur; 4 for each instruction."""
    rng = random.Random(0)
    texts = ["a", "bb", "ccc", "silent", "bb", "dddddd", "e e"]
    return [
        Comparison(str(number), f"question {number // 4}", rng.choice(texts), rng.choice(texts))
        for number in range(count)
    ]


@pytest.mark.parametrize("seed", [0, 1])
def test_preferences_are_those_of_the_judge_in_order(seed: int) -> None:
    """Whatever order the judge is shown; identical texts are a draw that is not asked for."""
    comparisons = random_comparisons(60)
    expected = [
        1.5 if entry.reference == entry.output else by_length("", entry.reference, entry.output)
        for entry in comparisons
    ]
    assert {None, 1.0, 1.5, 2.0} == set(expected)
    assert compare(comparisons, each(by_length), seed) == expected


def test_fractional_preferences_are_turned_back() -> None:
    """0.9 for the longer text: 1.9 where the output is longer, 1.1 where the reference is."""

    def unsure(instruction: str, first: str, second: str) -> float:
        return 1.9 if len(second) > len(first) else 1.1

    comparisons = [Comparison(str(n), f"q{n}", "short", "much longer") for n in range(10)]
    assert compare(comparisons, each(unsure), 0) == pytest.approx([1.9] * 10)


def test_the_judge_sees_every_text_unchanged() -> None:
    comparisons = [Comparison(str(n), text, "reference", text + "!") for n, text in enumerate(NASTY)]
    comparisons.append(Comparison("n", "{output_2}", "{output_1}", "{instruction}"))
    seen = []

    def watch(instruction: str, first: str, second: str) -> float:
        seen.append((instruction, frozenset((first, second))))
        return 1.5

    compare(comparisons, each(watch), 0)
    expected = [(entry.instruction, frozenset((entry.reference, entry.output))) for entry in comparisons]
    assert sorted(seen, key=repr) == sorted(expected, key=repr)


def orders(seed: int) -> list[float | None]:
    """What a judge that always prefers the first text makes of 60 comparisons of 30 instructions."""
    comparisons = [Comparison(str(n), f"q{n // 2}", "reference", f"output {n}") for n in range(60)]
    return compare(comparisons, each(lambda *_: 1.0), seed)


def test_position_bias_shows_and_the_order_is_one_for_each_instruction() -> None:
    preferences = orders(0)
    assert preferences[::2] == preferences[1::2]
    assert 8 <= preferences[::2].count(1.0) <= 22  # binomial(30, 1/2), 2.6 standard deviations
    assert preferences == orders(0)
    assert preferences != orders(1)


def test_equal_comparisons_share_one_call() -> None:
    calls = []

    def count(instruction: str, first: str, second: str) -> float:
        calls.append(first)
        return 2.0

    same = [Comparison(str(n), "q", "reference", "output") for n in range(5)]
    assert len(set(compare(same, each(count), 0))) == 1
    assert len(calls) == 1


def test_nothing_to_compare_and_no_verdict_at_all() -> None:
    assert compare([], each(by_length), 0) == []
    assert compare(random_comparisons(8)[:2], each(lambda *_: None), 0) == [None, None]


def test_a_verdict_outside_the_scale_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"the judge answered 0\.5; a preference lies between 1 and 2"):
        compare([Comparison("0", "q", "a", "b")], each(lambda *_: 0.5), 0)


def test_winrate_by_hand() -> None:
    """Wins 1, 1, 0 and a half: mean 0.625, variance 0.6875 / 3, standard error sqrt(0.229167 / 4)."""
    summary = winrate_summary([2.0, 2.0, None, 1.0, 1.5])
    assert summary == pytest.approx(
        {"win_rate": 62.5, "standard_error": 100 * math.sqrt(0.6875 / 3 / 4), "n_total": 4}
    )


def test_winrate_of_one_and_of_none() -> None:
    one, none = winrate_summary([2.0]), winrate_summary([None])
    assert (one["win_rate"], one["n_total"], none["n_total"]) == (100.0, 1.0, 0.0)
    assert math.isnan(one["standard_error"])
    assert math.isnan(none["win_rate"])


def test_nothing_is_printed_and_the_root_logger_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    level = logging.getLogger().level
    compare(random_comparisons(8), each(by_length), 0)
    assert logging.getLogger().level == level
    assert capfd.readouterr() == ("", "")
