"""Each format by hand, as docs/data.md shows it; and whatever a row holds, it is an example or a reason."""

import contextlib
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import readers, turns
from harness.data.formats import LAYOUTS, detect_layout, read_row
from harness.data.readers import Answer, Example
from harness.data.turns import BadRow, prompt_id
from harness.errors import BadInput

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
SHOWN = {
    name: [json.loads(line) for line in block.splitlines()]
    for name, block in re.findall(r"### ([\w-]+)\n.*?```json\n(.*?)\n```", PAGE, re.DOTALL)
}
BY_NAME_ONLY = {"ultrafeedback-ratings", "pku-saferlhf-safer"}
VERDICT = SHOWN["alpaca-eval-annotations"][0]
PAIR = {"prompt": "Name a prime.", "chosen": "7", "rejected": "8"}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def pair(prompt: str, chosen: str, rejected: str, scores: tuple[float, float] = (1, 0)) -> Example:
    return Example((user(prompt),), (Answer(chosen, "", scores[0]), Answer(rejected, "", scores[1])))


def reason(row: dict[str, Any], layout: str) -> str:
    with pytest.raises(BadRow) as bad:
        read_row(row, layout)
    return bad.value.reason


def test_the_page_shows_every_format_with_three_rows() -> None:
    assert list(SHOWN) == [name for name in LAYOUTS if name not in BY_NAME_ONLY]
    assert {len(rows) for rows in SHOWN.values()} == {3}
    assert all(f"`{name}`" in PAGE for name in BY_NAME_ONLY)


@pytest.mark.parametrize("name", SHOWN)
def test_each_format_is_told_from_any_of_its_rows(name: str) -> None:
    for row in SHOWN[name]:
        assert detect_layout([row], "file") == name
        assert read_row(row, name).left_out == ()


@pytest.mark.parametrize(
    ("layout", "line", "expected"),
    [
        ("trl-explicit", 0, pair("Name a prime.", "7", "8")),
        (
            "trl-conversational",
            1,
            Example(
                ({"role": "system", "content": "Be brief."}, user("Name a prime.")),
                (Answer("7", "", 1), Answer("8", "", 0)),
            ),
        ),
        # the common words "I think" stay in the answers
        ("trl-implicit", 1, pair("Sum?", "I think 4", "I think 5")),
        ("trl-implicit", 2, pair("Hi.", "Hello.", "No.", (8.5, 3))),
        (
            "hh-rlhf",
            1,
            Example(
                (user("Hi."), assistant("Hello."), user("A prime?")),
                (Answer("7", "", 1), Answer("8", "", 0)),
            ),
        ),
        ("hh-rlhf", 2, pair("Name a prime.", "7", "8")),
        ("ultrafeedback", 0, Example((user("Name a prime."),), (Answer("7", "a", 9), Answer("8", "b", 2)))),
        ("ultrafeedback", 1, Example((user("Name a colour."),), (Answer("red", "a", 5),))),
        ("ultrafeedback-binarized", 0, pair("Name a prime.", "7", "8", (9, 2))),
        ("pku-saferlhf", 0, pair("Name a prime.", "7", "8")),
        # verdicts 1, 1, tie: 2.5 of 3 votes for the first, 0.5 for the second
        (
            "pandalm",
            0,
            Example((user("Name a prime."),), (Answer("7", "a", 2.5 / 3), Answer("8", "b", 0.5 / 3))),
        ),
        (
            "pandalm",
            1,
            Example(
                (user("Correct it.\n\nHelo"),), (Answer("Hello", "a", 2 / 3), Answer("Halo", "b", 1 / 3))
            ),
        ),
        ("alpaca-eval-outputs", 0, Example((user("Name a prime."),), (Answer("7", "a", 1.9),))),
        ("alpaca-eval-outputs", 2, Example((user("Name a colour."),), (Answer("red", "a", None),))),
        (
            "alpaca-eval-annotations",
            2,
            Example((user("Hi."),), (Answer("Hello.", "b", 1), Answer("No.", "a", 0))),
        ),
        # 5 + 4 + 5 = 14 and 3 + 3 + 4 = 10, each over 3
        (
            "scored-pool",
            1,
            Example(
                ({"role": "system", "content": "Be brief."}, user("A colour?")),
                (Answer("red", "", 14 / 3), Answer("I would say red.", "", 10 / 3)),
            ),
        ),
        ("messages", 0, Example((user("Name a prime."),), (Answer("7"),))),
        ("prompts", 2, Example((user("Correct it.\n\nHelo"),), ())),
    ],
)
def test_rows_by_hand(layout: str, line: int, expected: Example) -> None:
    assert read_row(SHOWN[layout][line], layout) == expected


def test_the_formats_known_by_name_only() -> None:
    """Row 0 of PKU-SafeRLHF: 0 is better, 1 is safer. Ratings 4 and 5 have the mean 4.5."""
    safer = read_row(SHOWN["pku-saferlhf"][0], "pku-saferlhf-safer")
    assert [answer.score for answer in safer.answers] == [0, 1]
    ratings = {"helpfulness": {"Rating": "4"}, "honesty": {"Rating": "5"}, "truthfulness": {"Rating": "N/A"}}
    completion = {"response": "7", "overall_score": 10.0, "annotations": ratings}
    row = {"instruction": "Name a prime.", "completions": [completion]}
    assert read_row(row, "ultrafeedback-ratings").answers == (Answer("7", "", 4.5),)
    assert read_row(row, "ultrafeedback").answers == (Answer("7", "", 10),)


@pytest.mark.parametrize(
    ("layout", "row", "expected"),
    [
        ("trl-explicit", PAIR | {"chosen": " \n"}, turns.EMPTY_ANSWER),
        ("trl-explicit", PAIR | {"chosen": "8 "}, readers.SAME_ANSWERS),
        ("trl-explicit", PAIR | {"rejected": True}, turns.NOT_TEXT),
        ("trl-explicit", PAIR | {"rejected": None}, "the column 'rejected' is missing"),
        ("trl-explicit", PAIR | {"prompt": ""}, turns.EMPTY_TURN),
        ("trl-explicit", PAIR | {"chosen": "7\0"}, turns.NOT_WRITABLE),
        ("trl-explicit", PAIR | {"chosen": "\ud83d"}, turns.NOT_WRITABLE),
        ("trl-explicit", PAIR | {"score_chosen": 1, "score_rejected": True}, readers.BAD_SCORE),
        ("trl-explicit", PAIR | {"score_chosen": 1, "score_rejected": 10**400}, readers.BAD_SCORE),
        ("trl-explicit", PAIR | {"score_chosen": 1}, "the column 'score_rejected' is missing"),
        (
            "trl-implicit",
            {"chosen": [user("a"), assistant("b")], "rejected": [user("c"), assistant("d")]},
            readers.PROMPTS_DIFFER,
        ),
        (
            "trl-implicit",
            {"chosen": [user("a"), user("b"), assistant("c")], "rejected": [user("a"), assistant("d")]},
            turns.ROLES,
        ),
        ("trl-implicit", {"chosen": [assistant("b")], "rejected": [assistant("d")]}, turns.ROLES),
        ("trl-implicit", {"chosen": [user("b")], "rejected": [user("b")]}, turns.ROLES),
        ("trl-implicit", {"chosen": ["b"], "rejected": [user("b")]}, turns.NOT_TURNS),
        ("trl-implicit", {"chosen": [{"role": "user", "content": 1}], "rejected": []}, turns.NOT_TEXT),
        ("hh-rlhf", {"chosen": "Hello", "rejected": "\n\nHuman: a\n\nAssistant: b"}, turns.BEFORE_TURNS),
        (
            "hh-rlhf",
            {"chosen": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c", "rejected": "\n\nHuman: a"},
            turns.ROLES,
        ),
        (
            "ultrafeedback-binarized",
            SHOWN["ultrafeedback-binarized"][0] | {"prompt": "Another."},
            readers.PROMPTS_DIFFER,
        ),
        ("ultrafeedback", {"instruction": "a", "completions": []}, readers.NO_ANSWERS),
        ("pku-saferlhf", SHOWN["pku-saferlhf"][0] | {"better_response_id": 2}, readers.NO_VERDICT),
        ("pandalm", SHOWN["pandalm"][0] | {"annotator2": 3}, readers.NO_VERDICT),
        ("alpaca-eval-annotations", VERDICT | {"preference": 0}, readers.NO_VERDICT),
        ("scored-pool", {"prompt": "a", "responses": [{"text": ""}, {"text": 1}]}, turns.EMPTY_ANSWER),
        ("scored-pool", {"prompt": "a", "responses": {"text": "b"}}, readers.NO_ANSWERS),
    ],
)  # fmt: skip
def test_reasons(layout: str, row: dict[str, Any], expected: str) -> None:
    assert reason(row, layout) == expected


def test_a_bad_answer_of_several_is_left_out_with_its_reason() -> None:
    answers: list[Any] = [
        {"text": "b"},
        {"text": " "},
        "c",
        {"text": "d", "score": "x"},
        {"text": "e", "prompt": "z"},
    ]
    example = read_row({"prompt": "a", "responses": answers}, "scored-pool")
    assert example.answers == (Answer("b"),)
    assert example.left_out == (
        turns.EMPTY_ANSWER, "the column 'text' is missing", readers.BAD_SCORE, readers.PROMPTS_DIFFER,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"question": "a", "reply": "b"}], "have no known format. Columns found: question, reply. Name"),
        # KTO's columns are not a prompt alone, and implicit prompts as text are not cut at a common beginning
        ([{"prompt": "a", "completion": "b", "label": True}], "have no known format. Columns found: comp"),
        ([{"chosen": "Sum? 4", "rejected": "Sum? 5"}], "have no known format. Columns found: chosen, "),
        ([PAIR | {"responses": [{"text": "b"}]}], "may be any of scored-pool, trl-explicit. Columns"),
        ([{"a\nb": 1}], "have no known format. Columns found: 'a\\nb'."),
        ([PAIR, {"instruction": "a", "output": "b"}], "may be any of alpaca-eval-outputs, trl-explicit."),
    ],
)  # fmt: skip
def test_an_unknown_or_ambiguous_format_is_one_sentence(rows: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(BadInput) as refused:
        detect_layout(rows, "file")
    (problem,) = refused.value.problems
    assert problem.startswith(f"file: the first rows {words}")
    assert problem.endswith("prompts; docs/data.md shows each.")


def test_a_null_is_a_column_that_is_not_there() -> None:
    """So Parquet and the hub write the columns that only some rows have."""
    assert detect_layout([SHOWN["hh-rlhf"][0] | {"prompt": None}], "file") == "hh-rlhf"
    assert (
        detect_layout([SHOWN["trl-implicit"][0] | {"prompt": None, "messages": None}], "file")
        == "trl-implicit"
    )
    row = SHOWN["scored-pool"][0] | {"turns": None}
    assert read_row(row, detect_layout([row], "file")) == read_row(SHOWN["scored-pool"][0], "scored-pool")


def test_rows_without_answers_among_others_are_malformed_and_no_format() -> None:
    assert detect_layout([{"prompt": "a"}, PAIR], "file") == "trl-explicit"
    assert reason({"prompt": "a"}, "trl-explicit") == "the column 'chosen' is missing"


def test_a_prompt_is_known_by_its_turns_only() -> None:
    """The id stands in stored results, so it may never change: sha256sum of [["user", "Name a prime."]]."""
    assert prompt_id((user("Name a prime."),)) == "ef89dc14ac462712"
    assert prompt_id((user("a"), assistant("b"), user("c"))) != prompt_id((user("a"), user("b"), user("c")))


WORDS = sorted({key for rows in SHOWN.values() for row in rows for key in row})
TEXTS = (
    st.sampled_from(["", " ", "a", "7", "\n\nHuman: a\n\nAssistant: b", "\ud800", "\0", "1e999"]) | st.text()
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "x"]), "content": LEAVES}),
    max_size=4,
)
ANSWERS = st.dictionaries(
    st.sampled_from(
        ["text", "model", "score", "scores", "response", "overall_score", "annotations", "prompt"]
    ),
    LEAVES
    | st.lists(LEAVES, max_size=3)
    | st.dictionaries(TEXTS, st.dictionaries(st.just("Rating"), LEAVES)),
    max_size=4,
)
VALUES = (
    LEAVES
    | MESSAGES
    | st.lists(ANSWERS, max_size=3)
    | st.recursive(LEAVES, lambda below: st.lists(below) | st.dictionaries(TEXTS, below), max_leaves=5)
)


def check(row: dict[str, Any], layout: str) -> None:
    """The row is an example that can be stored, or a reason; no other exception."""
    with contextlib.suppress(BadRow):
        example = read_row(row, layout)
        json.dumps([example.turns, [asdict(answer) for answer in example.answers]], allow_nan=False)
        texts = [turn["content"] for turn in example.turns] + [answer.text for answer in example.answers]
        assert all(text.strip() and text.encode() for text in texts)
        assert example.turns[-1]["role"] == "user"


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(WORDS) | TEXTS, VALUES, max_size=8))
def test_any_row_is_an_example_or_a_reason_in_every_format(row: dict[str, Any]) -> None:
    for layout in LAYOUTS:
        check(row, layout)


@settings(max_examples=200)
@given(st.sampled_from(sorted(SHOWN)), st.integers(0, 2), st.data())
def test_any_cell_of_a_good_row_may_be_anything(name: str, line: int, data: st.DataObject) -> None:
    row = dict(SHOWN[name][line])
    row[data.draw(st.sampled_from(sorted(row)))] = data.draw(VALUES)
    check(row, name)
    with contextlib.suppress(BadInput):
        assert detect_layout([row], "file") in LAYOUTS
