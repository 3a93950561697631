"""A judge grades text; a preference follows from two grades."""

import pytest

from harness.data.rows import Prompt
from harness.judges.base import Judge, prefer
from harness.judges.length import LengthJudge
from harness.judges.oracle import OracleJudge
from harness.world.facts import make_world
from harness.world.oracle import grade
from harness.world.prompts import held_out_prompts
from harness.world.teacher import clean_answer

WORLD = make_world(0)
PROMPT = held_out_prompts(WORLD, 1, seed=0)[0]
JUDGES: list[Judge] = [LengthJudge(), OracleJudge(WORLD)]


def test_length_counts_characters() -> None:
    assert LengthJudge().score(Prompt("p", "any"), "four") == 4.0
    assert LengthJudge().score(Prompt("p", "any"), "") == 0.0


def test_oracle_gives_the_grade() -> None:
    judge = OracleJudge(WORLD)
    assert judge.score(PROMPT, clean_answer(WORLD, PROMPT)) == 10.0
    assert judge.score(PROMPT, "red .") == grade(WORLD, PROMPT, "red .").score


def test_ids_name_a_version() -> None:
    assert [judge.id for judge in JUDGES] == ["length-1", "oracle-1"]


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: str(judge.id))
def test_preference_has_no_position_bias(judge: Judge) -> None:
    """1 = first, 2 = second, 1.5 = tie; the two orders mirror each other: p + p' = 3."""
    good, bad = clean_answer(WORLD, PROMPT), "red"
    assert prefer(judge, PROMPT, good, bad) == 1.0
    assert prefer(judge, PROMPT, bad, good) == 2.0
    assert prefer(judge, PROMPT, good, good) == 1.5
