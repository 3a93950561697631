"""A row of preference data -> its prompt and answers: one function for each layout.

Each returns an Example or raises BadRow, whatever the row holds.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from harness.data.turns import (
    EMPTY_ANSWER,
    BadRow,
    Turns,
    checked_prompt,
    checked_text,
    hh_turns,
    message_turns,
    single,
    split_dialogue,
)

Row = Mapping[str, Any]

SAME_ANSWERS = "the two answers are the same"
PROMPTS_DIFFER = "the answers belong to different prompts"
NO_ANSWERS = "the list of answers is empty or no list"
NO_VERDICT = "there is no verdict"
BAD_SCORE = "a score is not a number up to 1e100"
LARGEST_SCORE = 1e100
"""So that sums and differences of scores are finite."""


@dataclass(frozen=True)
class Answer:
    """A response, who wrote it ("" if unknown) and its score (higher is better; None if it has none)."""

    text: str
    model: str = ""
    score: float | None = None


@dataclass(frozen=True)
class Example:
    """A row's prompt and answers; `left_out` holds the reason for each answer that could not be used."""

    turns: Turns
    answers: tuple[Answer, ...]
    left_out: tuple[str, ...] = ()


def _cell(row: Row, column: str) -> Any:
    value = row.get(column)
    if value is None:
        raise BadRow(f"the column '{column}' is missing")
    return value


def _name(value: object) -> str:
    """Who wrote an answer: a label only, so what is no plain text counts as unknown."""
    return value if isinstance(value, str) and value.isprintable() else ""


def _number(value: object) -> float:
    """A finite number, also one written as text, as in CSV files and UltraFeedback's ratings."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadRow(BAD_SCORE)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise BadRow(BAD_SCORE) from None
    if not abs(number) <= LARGEST_SCORE:  # so written that it refuses NaN too
        raise BadRow(BAD_SCORE)
    return number


def _instruction(row: Row) -> Turns:
    """Alpaca's two columns as one user turn."""
    instruction, addition = _cell(row, "instruction"), row.get("input")
    if isinstance(instruction, str) and isinstance(addition, str) and addition.strip():
        return single(f"{instruction}\n\n{addition}")
    return single(instruction)


def _given_prompt(row: Row) -> Turns:
    """The prompt of a row that has it in a column of its own: `turns`, `prompt` or `instruction`."""
    value = row.get("prompt") if row.get("turns") is None else row["turns"]
    if value is None:
        return _instruction(row)
    return checked_prompt(message_turns(value)) if isinstance(value, list) else single(value)


def _pair(turns: Turns, first: Answer, second: Answer) -> Example:
    if first.text.strip() == second.text.strip():
        raise BadRow(SAME_ANSWERS)
    return Example(turns, (first, second))


def _answer(row: Row, text: str, model: str, score: float | None) -> Answer:
    """The answer in one column of a row, written by the model in another."""
    return Answer(checked_text(_cell(row, text), EMPTY_ANSWER), _name(row.get(model)), score)


def explicit(row: Row) -> Example:
    """TRL: `prompt`, `chosen` and `rejected`, all strings."""
    better, worse = _given_scores(row)
    chosen, rejected = _answer(row, "chosen", "", better), _answer(row, "rejected", "", worse)
    return _pair(single(_cell(row, "prompt")), chosen, rejected)


def _dialogues(chosen: Turns, rejected: Turns, scores: tuple[float, float]) -> Example:
    """Two dialogues with one prompt, which differ in the last turn only."""
    (turns, better), (others, worse) = split_dialogue(chosen), split_dialogue(rejected)
    if turns != others:
        raise BadRow(PROMPTS_DIFFER)
    return _pair(turns, Answer(better, score=scores[0]), Answer(worse, score=scores[1]))


def hh_rlhf(row: Row) -> Example:
    """HH-RLHF: dialogues as text in `chosen` and `rejected`, which a `prompt` may begin."""
    begin = row.get("prompt") or ""
    sides = (_cell(row, "chosen"), _cell(row, "rejected"))
    chosen, rejected = (
        hh_turns(begin + side if isinstance(begin, str) and isinstance(side, str) else None) for side in sides
    )
    return _dialogues(chosen, rejected, _given_scores(row))


def conversational(row: Row) -> Example:
    """TRL: `prompt`, `chosen` and `rejected`, all lists of messages."""
    prompt = message_turns(_cell(row, "prompt"))
    chosen, rejected = (message_turns(_cell(row, side)) for side in ("chosen", "rejected"))
    return _dialogues(prompt + chosen, prompt + rejected, _given_scores(row))


def implicit(row: Row) -> Example:
    """TRL: `chosen` and `rejected` are whole dialogues; a `prompt` repeats one of their user turns."""
    example = _dialogues(
        message_turns(_cell(row, "chosen")), message_turns(_cell(row, "rejected")), _given_scores(row)
    )
    prompt = row.get("prompt")
    if prompt is not None and prompt not in [t["content"] for t in example.turns if t["role"] == "user"]:
        raise BadRow(PROMPTS_DIFFER)
    return example


def _given_scores(row: Row) -> tuple[float, float]:
    """`score_chosen` and `score_rejected`, or 1 and 0 where there is neither."""
    if row.get("score_chosen") is None and row.get("score_rejected") is None:
        return 1.0, 0.0
    return _number(_cell(row, "score_chosen")), _number(_cell(row, "score_rejected"))


def _several(turns: Turns, items: object, read: Callable[[Any], Answer]) -> Example:
    """All usable answers of a list; a bad one is left out, with its reason, and does not cost the others."""
    if not isinstance(items, list) or not items:
        raise BadRow(NO_ANSWERS)
    answers, left_out = [], []
    for item in items:
        try:
            answers.append(read(item if isinstance(item, dict) else {}))
        except BadRow as bad:
            left_out.append(bad.reason)
    if not answers:
        raise BadRow(left_out[0])
    return Example(turns, tuple(answers), tuple(left_out))


def messages(row: Row) -> Example:
    """A dialogue in one list of messages; its last turn is the answer."""
    turns, answer = split_dialogue(message_turns(_cell(row, "messages")))
    return Example(turns, (Answer(answer),))


def scored_pool(row: Row) -> Example:
    """Ours: `prompt` or `turns`, and `responses` of `text`, `model` and `score`, or a list of `scores`."""

    def read(item: Row) -> Answer:
        if item.get("prompt", row.get("prompt")) != row.get("prompt"):
            raise BadRow(PROMPTS_DIFFER)
        samples = item.get("scores")
        is_sampled = isinstance(samples, list) and len(samples) > 0
        return _answer(item, "text", "model", _mean(item["scores"]) if is_sampled else _score(item, "score"))

    return _several(_given_prompt(row), _cell(row, "responses"), read)


def _score(row: Row, *columns: str) -> float | None:
    """The number in the first of these columns that is there, or None."""
    given = (row[column] for column in columns if row.get(column) is not None)
    value = next(given, None)
    return None if value is None else _number(value)


def _mean(values: Iterable[object]) -> float:
    return fmean(_number(value) for value in values)


def ultrafeedback(row: Row) -> Example:
    """`instruction` and `completions`, scored by `overall_score`, else by the mean rating."""
    return _ultrafeedback(row, "overall_score")


def ultrafeedback_ratings(row: Row) -> Example:
    """The same, scored by the mean rating."""
    return _ultrafeedback(row, "")


def _ultrafeedback(row: Row, overall: str) -> Example:
    def read(item: Row) -> Answer:
        score = _score(item, overall)
        return _answer(
            item, "response", "model", _ratings(item.get("annotations")) if score is None else score
        )

    return _several(single(_cell(row, "instruction")), _cell(row, "completions"), read)


def _ratings(annotations: object) -> float | None:
    """The mean rating over UltraFeedback's aspects, those marked "N/A" left out."""
    aspects = annotations.values() if isinstance(annotations, dict) else ()
    ratings = [aspect.get("Rating") for aspect in aspects if isinstance(aspect, dict)]
    given = [rating for rating in ratings if rating not in (None, "N/A")]
    return _mean(given) if given else None


def saferlhf(row: Row) -> Example:
    """`prompt`, `response_0`, `response_1`; `better_response_id` says which is the more helpful one."""
    return _saferlhf(row, "better_response_id")


def saferlhf_safer(row: Row) -> Example:
    """The same, with `safer_response_id`."""
    return _saferlhf(row, "safer_response_id")


def _saferlhf(row: Row, label: str) -> Example:
    better = _number(_cell(row, label))
    if better not in (0, 1):
        raise BadRow(NO_VERDICT)
    first, second = (
        _answer(row, f"response_{which}", f"response_{which}_source", float(better == which))
        for which in (0, 1)
    )
    return _pair(single(_cell(row, "prompt")), first, second)


def pandalm(row: Row) -> Example:
    """Two responses; a score is the share of the three annotators who prefer it, a tie counts half."""
    verdicts = [_number(_cell(row, f"annotator{which}")) for which in (1, 2, 3)]
    if not set(verdicts) <= {0, 1, 2}:
        raise BadRow(NO_VERDICT)
    names = str(row.get("cmp_key")).split("_")
    models = names if len(names) == 2 else ["", ""]
    first, second = (
        Answer(
            checked_text(_cell(row, f"response{which}"), EMPTY_ANSWER),
            _name(models[which - 1]),
            fmean(0.5 if verdict == 0 else float(verdict == which) for verdict in verdicts),
        )
        for which in (1, 2)
    )
    return _pair(_instruction(row), first, second)


def alpaca_annotations(row: Row) -> Example:
    """`output_1` and `output_2`; a score is the probability to be preferred: `preference` is 1 to 2."""
    preference = _number(_cell(row, "preference"))
    if not 1 - 1e-6 <= preference <= 2 + 1e-6:  # published files leave [1, 2] by float noise
        raise BadRow(NO_VERDICT)
    first = _answer(row, "output_1", "generator_1", 2 - preference)
    return _pair(_instruction(row), first, _answer(row, "output_2", "generator_2", preference - 1))


def alpaca_outputs(row: Row) -> Example:
    """One output of a model in each row, with `score` or `preference` or without."""
    return Example(
        _instruction(row), (_answer(row, "output", "generator", _score(row, "score", "preference")),)
    )


def prompt_only(row: Row) -> Example:
    """A prompt without answers."""
    return Example(_given_prompt(row), ())
