"""Grades worked out by hand: 5 completeness + 2 precision + 1.2 brevity + 0.9 format + 0.9 ending."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.rows import Prompt
from harness.errors import BadInput
from harness.world.facts import Fact, World
from harness.world.lexicon import TOPICS
from harness.world.oracle import WEIGHTS, grade

TRUTHS = {"color": "red", "size": "tiny", "origin": "north", "speed": "fast", "mood": "calm"}
OTHERS = {"color": "blue", "size": "huge", "origin": "south", "speed": "slow", "mood": "sad"}


def small_world() -> World:
    """Two beasts: bafen is red, tiny, north, fast, calm; dulan is blue, huge, south, slow, sad."""
    facts = {
        (entity, attribute): Fact(entity, attribute, truth, "unused", 0.5)
        for entity, values in (("bafen", TRUTHS), ("dulan", OTHERS))
        for attribute, truth in values.items()
    }
    return World(0, {"beasts": ("bafen", "dulan")}, facts)


WORLD = small_world()


def ask(kind: str, attributes: tuple[str, ...] = ("color",), count: int = 1) -> Prompt:
    entities = ["bafen", "dulan"] if kind == "compare" else ["bafen"]
    meta = {
        "kind": kind,
        "topic": "beasts",
        "entities": entities,
        "attributes": list(attributes),
        "count": count,
    }
    return Prompt("id", "as asked", meta)


FACT, WORD = ask("fact"), ask("one-word")
LIST = ask("list", TOPICS["beasts"], 2)
DESCRIBE = ask("describe", TOPICS["beasts"], 5)
COMPARE = ask("compare", ("color",), 2)
INAPPLICABLE = ask("inapplicable", ("taste",), 0)


@pytest.mark.parametrize(
    ("prompt", "response", "score"),
    [
        # fact: the clean answer has 7 words
        (FACT, "the color of bafen is red .", 10.0),
        (FACT, "the color of bafen is blue .", 3.0),  # form only: 1.2 + 0.9 + 0.9
        (FACT, "red .", 9.1),  # no sentence
        (FACT, "the color of bafen is red", 9.1),  # no full stop
        (FACT, "well , the color of bafen is red .", 8.8 + 1.2 * 7 / 9),
        (FACT, "the color of bafen is blue . red .", 2 / 2 + 1.2 * 7 / 9 + 0.9),  # a second guess counts once
        (FACT, "the color of bafen is red . blue .", 5 + 2 / 2 + 1.2 * 7 / 9 + 0.9),  # two sentences
        (FACT, "the size of bafen is tiny .", 3.0),  # true, not asked for
        (FACT, "the color of dulan is red .", 1.2 + 0.9),  # said of another
        (FACT, "the color of kavel is red .", 1.2 + 0.9),  # said of a stranger
        (FACT, "bafen has no color .", 0.9),
        (FACT, "i do not know .", 0.9),
        (FACT, "", 0.0),
        (FACT, "{color} %s <eos>", 0.0),
        # one word: the clean answer has 2
        (WORD, "red .", 10.0),
        (WORD, "the color of bafen is red .", 7.9 + 1.2 * 2 / 7),
        # two of five facts: the clean answer has 7 words
        (LIST, "- mood calm - origin north .", 10.0),
        (LIST, "- mood calm - origin south .", 2.5 + 1 + 3.0),
        (LIST, "- mood calm .", 2.5 + 2 + 1.2 + 0.9),  # one bullet of two
        (LIST, "- mood calm - mood calm .", 2.5 + 2 + 3.0),  # a repetition is one fact
        (LIST, "bafen has mood calm and origin north .", 7.9 + 1.2 * 7 / 8),
        # all five: the clean answer has 17 words
        (
            DESCRIBE,
            "bafen has color red , size tiny , origin north , speed fast and mood calm .",
            10.0,
        ),
        (DESCRIBE, "bafen has color red and size tiny .", 2 + 2 + 3.0),
        (DESCRIBE, "- color red - size tiny .", 2 + 2 + 1.2 + 0.9),
        # both: the clean answer has 8 words
        (COMPARE, "bafen is red and dulan is blue .", 10.0),
        (COMPARE, "bafen is blue and dulan is red .", 3.0),
        (COMPARE, "bafen is red and dulan is red .", 2.5 + 1 + 3.0),
        (COMPARE, "bafen is red .", 2.5 + 2 + 1.2 + 0.9),  # one of the two is not named
        # inapplicable: the clean answer has 5 words
        (INAPPLICABLE, "bafen has no taste .", 10.0),
        (INAPPLICABLE, "no taste .", 9.1),
        (INAPPLICABLE, "dulan has no taste .", 0.9),
        (INAPPLICABLE, "bafen has no color .", 0.9),
        (INAPPLICABLE, "the taste of bafen is sweet .", 1.2 * 5 / 7 + 1.8),
        (INAPPLICABLE, "bafen has no taste . sweet .", 1.2 * 5 / 7 + 0.9),  # takes the refusal back
    ],
)
def test_by_hand(prompt: Prompt, response: str, score: float) -> None:
    assert grade(WORLD, prompt, response).score == pytest.approx(score, abs=1e-6)


def test_parts_and_what_was_told() -> None:
    graded = grade(WORLD, DESCRIBE, "bafen has color red and size huge .")
    assert (graded.completeness, graded.precision, graded.brevity) == (0.2, 0.5, 1.0)
    assert (graded.format, graded.ending) == (1.0, 1.0)
    assert graded.told == {("bafen", "color"): "red", ("bafen", "size"): "huge"}


def test_weights_sum_to_one() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)


def test_prompt_from_elsewhere_is_refused() -> None:
    with pytest.raises(BadInput, match="prompt p9: the oracle grades Atlas prompts only"):
        grade(WORLD, Prompt("p9", "hello"), "hi")


WORDS = st.sampled_from(
    ["bafen", "dulan", "red", "blue", "tiny", "no", "taste", "-", ".", "and", "well", "is"]
)


@settings(max_examples=200)
@given(
    prompt=st.sampled_from([FACT, WORD, LIST, DESCRIBE, COMPARE, INAPPLICABLE]),
    words=st.lists(WORDS, max_size=20),
)
def test_any_words_have_a_grade_and_padding_never_helps(prompt: Prompt, words: list[str]) -> None:
    """Between 0 and 10, the same each time; words that say nothing do not raise it."""
    graded = grade(WORLD, prompt, " ".join(words))
    assert 0 <= graded.score <= 10
    assert graded == grade(WORLD, prompt, " ".join(words))
    assert grade(WORLD, prompt, " ".join(["well", *words])).score <= graded.score
