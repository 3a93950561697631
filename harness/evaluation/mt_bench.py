"""Single-answer grading of a question file, one or two turns (MT-bench; Zheng et al. 2023, section 2)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

from harness.data.rows import Prompt, Turn
from harness.data.sources import file_rows
from harness.errors import BadInput

Sample: TypeAlias = Callable[[Sequence[Prompt]], Sequence[str]]
"""The model's answer to each prompt."""

Grade: TypeAlias = Callable[[Sequence[tuple[Prompt, str]]], Sequence[float | None]]
"""The judge's grade of each answer to its prompt; None: it came to none."""

MOST_TURNS = 2


@dataclass(frozen=True)
class Question:
    """What the user says in each turn, and a reference answer to each (or none at all)."""

    id: str
    category: str
    turns: tuple[str, ...]
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class GradedTurn:
    """One answer with its grade; `turn` is 1 or 2."""

    question: str
    category: str
    turn: int
    answer: str
    grade: float | None


def read_questions(path: Path) -> list[Question]:
    """A file in FastChat's layout: `question_id`, `category`, `turns` and, where there is one, `reference`.

    Raises:
        BadInput: a sentence for each row that is no question, with its line.
    """
    questions, problems = [], []
    for line, row in file_rows(path):
        why = row if isinstance(row, str) else _flaw(row)
        if why or isinstance(row, str):
            problems.append(f"{path}: line {line}: {why}. Correct it.")
            continue
        turns, references = tuple(row["turns"]), tuple(row.get("reference") or ())
        questions.append(Question(str(row["question_id"]), row.get("category") or "", turns, references))
    if len({question.id for question in questions}) < len(questions):
        problems.append(f"{path}: each question_id must stand once. Correct it.")
    if problems or not questions:
        raise BadInput(problems or f"{path}: holds no question. Give a file with one on each line.")
    return questions


def _flaw(row: Mapping[str, object]) -> str:
    """What is wrong with a row; empty if nothing is."""
    turns, references = row.get("turns"), row.get("reference") or []
    if row.get("question_id") is None:
        return "question_id is missing"
    if not _texts(turns) or not 1 <= len(turns) <= MOST_TURNS:  # type: ignore[arg-type]
        return f"turns must be a list of 1 to {MOST_TURNS} texts"
    if references and (not _texts(references) or len(references) != len(turns)):  # type: ignore[arg-type]
        return "reference must be a list with one text for each turn"
    if not isinstance(row.get("category", ""), str):
        return "category must be a text"
    return ""


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) and text.strip() for text in value)


def grade_questions(questions: Sequence[Question], sample: Sample, grade: Grade) -> list[GradedTurn]:
    """Ask every question, then every second turn with the model's own first answer, and grade all answers.

    The judge grades an answer by the conversation before it, and sees the turn's reference in
    `Prompt.meta["reference"]`. Ordered by turn, then by question.
    """
    asked: list[tuple[Question, Prompt]] = []
    answers: list[str] = []
    for turn in range(MOST_TURNS):
        first = {question.id: answer for (question, _), answer in zip(asked, answers, strict=True)}
        now = [
            (question, _prompt(question, turn, first)) for question in questions if turn < len(question.turns)
        ]
        if now:
            answers += sample([prompt for _, prompt in now])
            asked += now
    grades = grade([(prompt, answer) for (_, prompt), answer in zip(asked, answers, strict=True)])
    return [
        GradedTurn(question.id, question.category, 2 if prompt.history else 1, answer, given)
        for (question, prompt), answer, given in zip(asked, answers, grades, strict=True)
    ]


def _prompt(question: Question, turn: int, first: Mapping[str, str]) -> Prompt:
    """What the user says at a turn (from 0), after the conversation so far."""
    history: list[Turn] = []
    if turn:
        history = [
            {"role": "user", "content": question.turns[0]},
            {"role": "assistant", "content": first[question.id]},
        ]
    meta = {"category": question.category}
    if question.references:
        meta["reference"] = question.references[turn]
    return Prompt(f"{question.id}/{turn + 1}", question.turns[turn], meta, history)


def mt_bench_summary(graded: Sequence[GradedTurn]) -> dict[str, float]:
    """Means of the grades: `overall` (of all answers), `turn_1`, `turn_2` and `category.<name>`.

    Answers without a grade are left out, and `missing` counts them. A mean of nothing is absent.
    """
    groups: dict[str, list[float]] = {}
    for entry in graded:
        if entry.grade is not None:
            for name in ("overall", f"turn_{entry.turn}", f"category.{entry.category}"):
                groups.setdefault(name, []).append(entry.grade)
    missing = sum(entry.grade is None for entry in graded)
    return {name: fmean(grades) for name, grades in groups.items()} | {"missing": float(missing)}
