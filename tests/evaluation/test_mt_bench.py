"""Question files are read, asked turn by turn, and graded."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.data.rows import Prompt
from harness.errors import BadInput
from harness.evaluation.mt_bench import (
    GradedTurn,
    Question,
    grade_questions,
    mt_bench_summary,
    read_questions,
)
from harness.judges.base import Answer, Graded
from harness.judges.length import LengthGrader
from harness.models.load import Policy
from harness.models.sampling import Sampling, sample

TWO = {"question_id": 81, "category": "writing", "turns": ["w1 w2", "w3"], "reference": ["w4", "w5"]}
ONE = {"question_id": "v-1", "category": "generic", "turns": ["w6"]}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "question.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def echo(prompts: Sequence[Prompt]) -> list[str]:
    """Answers with how many turns it sees and the user's words."""
    return [f"{len(prompt.turns)}:{prompt.text}" for prompt in prompts]


def test_a_file_is_read(tmp_path: Path) -> None:
    assert read_questions(write(tmp_path, TWO, ONE)) == [
        Question("81", "writing", ("w1 w2", "w3"), ("w4", "w5")),
        Question("v-1", "generic", ("w6",)),
    ]


def test_every_wrong_row_is_named_by_its_line(tmp_path: Path) -> None:
    wrong = [
        ONE | {"question_id": None},
        ONE | {"turns": []},
        ONE | {"turns": ["a", "b", "c"]},
        ONE | {"turns": "w6"},
        ONE | {"turns": ["a", 3]},
        TWO | {"reference": ["w4"]},
        ONE | {"category": 7},
        [],
    ]
    with pytest.raises(BadInput) as caught:
        read_questions(write(tmp_path, ONE, *wrong, ONE))
    problems = [problem.split("question.jsonl: ")[1] for problem in caught.value.problems]
    assert problems[:2] == [
        "line 2: question_id is missing. Correct it.",
        "line 3: turns must be a list of 1 to 2 texts. Correct it.",
    ]
    assert problems[5] == "line 7: reference must be a list with one text for each turn. Correct it."
    assert problems[6:] == [
        "line 8: category must be a text. Correct it.",
        "line 9: the line is not an object. Correct it.",
        "each question_id must stand once. Correct it.",
    ]
    with pytest.raises(BadInput, match="holds no question"):
        read_questions(write(tmp_path))


def test_a_second_turn_follows_the_model_s_own_answer_and_the_judge_sees_it_all(tmp_path: Path) -> None:
    """Turn 2 sees three turns, of which the second is the answer to turn 1; references go with their turn."""
    seen: list[tuple[Prompt, str]] = []

    def grade(rows: Sequence[tuple[Prompt, str]]) -> list[float | None]:
        seen.extend(rows)
        return [7.0, None, 4.0]

    graded = grade_questions(read_questions(write(tmp_path, TWO, ONE)), echo, grade)
    assert graded == [
        GradedTurn("81", "writing", 1, "1:w1 w2", 7.0),
        GradedTurn("v-1", "generic", 1, "1:w6", None),
        GradedTurn("81", "writing", 2, "3:w3", 4.0),
    ]
    assert [turn["content"] for turn in seen[2][0].turns] == ["w1 w2", "1:w1 w2", "w3"]
    assert [prompt.meta.get("reference") for prompt, _ in seen] == ["w4", None, "w5"]
    assert [prompt.id for prompt, _ in seen] == ["81/1", "v-1/1", "81/2"]


def test_the_summary_by_hand() -> None:
    """Grades 8, 4 (writing) and 3 (math), one missing: overall 5, turn 1 (8 + 3) / 2, turn 2 4."""
    graded = [
        GradedTurn("1", "writing", 1, "", 8.0),
        GradedTurn("2", "math", 1, "", 3.0),
        GradedTurn("1", "writing", 2, "", 4.0),
        GradedTurn("2", "math", 2, "", None),
    ]
    assert mt_bench_summary(graded) == {
        "overall": 5.0,
        "turn_1": 5.5,
        "category.writing": 6.0,
        "category.math": 3.0,
        "turn_2": 4.0,
        "missing": 1.0,
    }
    assert mt_bench_summary([]) == {"missing": 0.0}


def test_a_policy_and_a_judge_on_real_questions(
    tiny_policy: Policy, public_data: Path, tmp_path: Path
) -> None:
    """The Vicuna questions with a follow-up; the judge grades by length, so every grade is known."""
    rows = gzip.decompress((public_data / "scored-responses" / "vicuna.jsonl.gz").read_bytes()).splitlines()
    questions = [
        {
            "question_id": row["id"],
            "category": row["category"],
            "turns": [row["prompt"], "w1 w2 w3"],
            "reference": [row["reference"], "w4"],
        }
        for row in map(json.loads, rows)
    ]
    assert len(questions) == 46
    judge = Graded(LengthGrader())

    def ask(prompts: Sequence[Prompt]) -> list[str]:
        settings = Sampling(per_prompt=1, temperature=0.7, max_new_tokens=4, seed=0, stream="mt-bench")
        return [response.text for response in sample(tiny_policy, prompts, settings)]

    def grade(answers: Sequence[tuple[Prompt, str]]) -> list[float | None]:
        return judge.scores([Answer(*answer) for answer in answers])

    graded = grade_questions(read_questions(write(tmp_path, *questions)), ask, grade)
    assert len(graded) == 92
    assert [entry.grade for entry in graded] == [float(len(entry.answer)) for entry in graded]
    categories = {name for name in mt_bench_summary(graded) if name.startswith("category.")}
    assert {"category.generic", "category.writing"} <= categories
