"""Shared runs of words, by hand and against a plain comparison of every two prompts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import overlap
from harness.data.overlap import Overlap, find_overlaps, normalised

LETTERS = "a b c d e f g h i j k l m n o p"


def test_case_punctuation_and_ways_to_write_a_letter_do_not_count() -> None:
    assert normalised("Don't — “STRASSE”, ﬁne!") == ["don", "t", "strasse", "fine"]
    assert normalised("ＡＢ straße") == ["ab", "strasse"]
    assert find_overlaps({"t": "Hello, world!"}, {"e": "hello WORLD"}) == [
        Overlap("t", "e", 0, "hello world")
    ]


def test_the_largest_size_counts_and_its_first_run_is_named() -> None:
    """16 letters share 14 words with one prompt, the third to the last, and 8 with another."""
    evaluation = {"long": f"x {LETTERS[4:]}", "short": "x h i j k l m n o y", "none": "h i j k l m n y"}
    assert find_overlaps({"t": LETTERS}, evaluation) == [
        Overlap("t", "long", 13, "c d e f g h i j k l m n o"),
        Overlap("t", "short", 8, "h i j k l m n o"),
    ]


def test_empty_prompts_overlap_nothing() -> None:
    assert find_overlaps({"t": "", "u": "?!"}, {"e": "", "f": "..."}) == []


def test_a_common_phrase_names_only_so_many_prompts() -> None:
    """Ten of 50 evaluation prompts are named for each of 50 training prompts; all of these are found."""
    phrase = "rewrite the following text in your own words"
    training = {f"t{number}": f"{phrase} {number}" for number in range(50)}
    evaluation = {f"e{number}": f"{phrase} x{number}" for number in range(50)}
    found = find_overlaps(training, evaluation)
    assert len(found) == 50 * overlap.MOST
    assert {pair.training for pair in found} == set(training)


TEXTS = st.lists(st.sampled_from("ab"), max_size=9).map(" ".join)


@settings(max_examples=200)
@given(st.lists(TEXTS, max_size=4), st.lists(TEXTS, max_size=4))
def test_it_is_the_comparison_of_every_two_prompts(training: list[str], evaluation: list[str]) -> None:
    def plain(first: str, second: str) -> int | None:
        """Texts of one-letter words share a run if one's run is a substring of the other, blanks and all."""
        if first and first == second:
            return 0
        runs = ((size, first[at : at + 2 * size - 1]) for size in (3, 2) for at in range(0, len(first), 2))
        return next((size for size, run in runs if len(run) == 2 * size - 1 and run in second), None)

    found = find_overlaps(dict(enumerate_as(training)), dict(enumerate_as(evaluation)), sizes=(2, 3))
    expected = {
        (t, e): size
        for t, first in enumerate_as(training)
        for e, second in enumerate_as(evaluation)
        if (size := plain(first, second)) is not None
    }
    assert {(pair.training, pair.evaluation): pair.size for pair in found} == expected


def enumerate_as(texts: list[str]) -> list[tuple[str, str]]:
    return [(str(number), text) for number, text in enumerate(texts)]
