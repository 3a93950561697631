"""The teacher errs as often as stated, and its clean answers are perfect."""

from collections import Counter

import numpy as np
import pytest

from harness.world.answers import DONT_KNOW
from harness.world.facts import Fact, make_world
from harness.world.oracle import grade
from harness.world.prompts import SHARES, held_out_half
from harness.world.teacher import clean_answer, teacher_answer, value_law

WORLD = make_world(0)


def test_value_law_by_hand() -> None:
    """Known 0.4: the misconception gets 0.6 x 0.6 = 0.36, each of the four others 0.6 x 0.4 / 4 = 0.06."""
    law = value_law(Fact("fefen", "color", "red", "blue", known=0.4))
    assert law == pytest.approx(
        {"red": 0.40, "blue": 0.36, "green": 0.06, "white": 0.06, "black": 0.06, "yellow": 0.06}
    )


def test_clean_answers_are_perfect() -> None:
    for prompt in held_out_half(WORLD):
        assert grade(WORLD, prompt, clean_answer(WORLD, prompt)).score == 10, prompt.text


def test_the_teacher_tells_values_by_their_law() -> None:
    """4,000 answers to one prompt: each value's share is within 4 standard errors of at most 0.008."""
    prompt = next(prompt for prompt in held_out_half(WORLD) if prompt.meta["kind"] == "one-word")
    fact = WORLD.facts[prompt.meta["entities"][0], prompt.meta["attributes"][0]]
    rng = np.random.default_rng(0)
    grades = [grade(WORLD, prompt, teacher_answer(WORLD, prompt, rng)) for _ in range(4000)]
    told = Counter(next(iter(graded.told.values())) for graded in grades if graded.told)
    for value, probability in value_law(fact).items():
        assert told[value] / told.total() == pytest.approx(probability, abs=0.032)


def test_lapses_are_as_frequent_as_stated() -> None:
    """Of 3,000 answers: cut off 5 %; needless refusals 3 %, 95 % of them whole; no refusal where due 30 %.

    Standard errors are at most 0.4, 0.3 and 0.85 points; four of them are allowed.
    """
    rng = np.random.default_rng(1)
    fact, inapplicable = (
        next(prompt for prompt in held_out_half(WORLD) if prompt.meta["kind"] == kind)
        for kind in ("fact", "inapplicable")
    )
    answers = [teacher_answer(WORLD, fact, rng) for _ in range(3000)]
    assert np.mean([not answer.endswith(".") for answer in answers]) == pytest.approx(0.05, abs=0.016)
    assert np.mean([DONT_KNOW in answer for answer in answers]) == pytest.approx(0.0285, abs=0.012)
    grades = [grade(WORLD, inapplicable, teacher_answer(WORLD, inapplicable, rng)) for _ in range(3000)]
    assert np.mean([bool(graded.told) for graded in grades]) == pytest.approx(0.30, abs=0.034)


@pytest.mark.parametrize("kind", SHARES)
def test_same_random_state_same_answer(kind: str) -> None:
    prompt = next(prompt for prompt in held_out_half(WORLD) if prompt.meta["kind"] == kind)
    first, second = (
        [teacher_answer(WORLD, prompt, rng) for _ in range(20)]
        for rng in (np.random.default_rng(7), np.random.default_rng(7))
    )
    assert first == second
    assert len(set(first)) > 3


def test_a_list_may_name_any_of_the_facts() -> None:
    """Two facts of five, in any order: all five attributes turn up among 200 answers."""
    prompt = next(
        prompt
        for prompt in held_out_half(WORLD)
        if prompt.meta["kind"] == "list" and prompt.meta["count"] == 2
    )
    rng = np.random.default_rng(0)
    told = {
        attribute
        for _ in range(200)
        for _, attribute in grade(WORLD, prompt, teacher_answer(WORLD, prompt, rng)).told
    }
    assert told == set(prompt.meta["attributes"])
