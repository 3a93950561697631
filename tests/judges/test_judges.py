"""A grader grades text; the judge made of it scores and compares."""

import pytest

from harness.data.rows import Prompt
from harness.judges.base import Answer, Contest, Graded, Grader
from harness.judges.length import LengthGrader
from harness.judges.oracle import OracleGrader
from harness.world.facts import make_world
from harness.world.oracle import grade
from harness.world.prompts import held_out_prompts
from harness.world.teacher import clean_answer

WORLD = make_world(0)
PROMPT = held_out_prompts(WORLD, 1, seed=0)[0]
GRADERS: list[Grader] = [LengthGrader(), OracleGrader(WORLD)]


def test_length_counts_characters() -> None:
    answers = [Answer(Prompt("p", "any"), "four"), Answer(Prompt("p", "any"), "")]
    assert Graded(LengthGrader()).scores(answers) == [4.0, 0.0]


def test_oracle_gives_the_grade() -> None:
    answers = [Answer(PROMPT, clean_answer(WORLD, PROMPT)), Answer(PROMPT, "red .")]
    assert Graded(OracleGrader(WORLD)).scores(answers) == [10.0, grade(WORLD, PROMPT, "red .").score]


def test_ids_name_a_version() -> None:
    assert [Graded(grader).id for grader in GRADERS] == ["length-1", "oracle-1"]


@pytest.mark.parametrize("grader", GRADERS, ids=lambda grader: str(grader.id))
def test_preference_has_no_position_bias(grader: Grader) -> None:
    """1 = first, 2 = second, 1.5 = tie; the two orders mirror each other: p + p' = 3."""
    good, bad = clean_answer(WORLD, PROMPT), "red"
    judge = Graded(grader)
    contests = [Contest(PROMPT, *texts) for texts in ((good, bad), (bad, good), (good, good))]
    assert judge.preferences(contests) == [1.0, 2.0, 1.5]
    assert judge.usage.calls == 3
