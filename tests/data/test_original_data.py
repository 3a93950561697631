"""Rows of one prompt become one prompt, and none is lost: by hand, and on public files with their counts."""

import contextlib
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import readers, sources, turns
from harness.data.original import Malformed, OriginalData, lines_by_reason, read_original
from harness.data.readers import Answer
from harness.data.report import make_report
from harness.errors import BadInput


def write(path: Path, rows: Iterable[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def published(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def pair(prompt: str, chosen: Any, rejected: Any) -> dict[str, Any]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def nothing_is_lost(data: OriginalData) -> None:
    used = [line for prompt in data.prompts for line in prompt.lines]
    assert len(used) + len(data.malformed) == data.rows
    assert set(used).isdisjoint(bad.line for bad in data.malformed)


def test_rows_of_one_prompt_become_one_prompt(tmp_path: Path) -> None:
    """Answer 7 wins against 8 twice and loses to 2 once: 2/3. Lines 2 and 5 repeat two answers and one."""
    rows = [pair("p", "7", "8"), pair("p", "7", "8"), pair("q", "a", "b"), "{", pair("p", "2", "7")]
    data = read_original(write(tmp_path / "a.jsonl", rows))
    assert [prompt.lines for prompt in data.prompts] == [(1, 2, 5), (3,)]
    assert data.prompts[0].answers == (
        Answer("7", "", 0.666666667), Answer("8", "", 0), Answer("2", "", 1),
    )  # fmt: skip
    assert (data.layout, data.rows, data.repeated_answers, data.rescored_answers) == ("trl-explicit", 5, 3, 1)
    assert data.malformed == (Malformed(4, sources.NOT_JSON),)
    nothing_is_lost(data)


def test_equal_shares_of_wins_are_equal_scores(tmp_path: Path) -> None:
    """Shares of 0, 1/3, 1 and 2/3, 2/3, 0 have one mean, 4/9, and not one sum of floats."""

    def annotated(first: str, second: str, votes: int) -> dict[str, Any]:
        verdicts = {f"annotator{which}": 1 if which <= votes else 2 for which in (1, 2, 3)}
        return {"instruction": "p", "response1": first, "response2": second} | verdicts

    rows = [annotated("a", f"x{n}", votes) for n, votes in enumerate((0, 1, 3))]
    rows += [annotated("b", f"y{n}", votes) for n, votes in enumerate((2, 2, 0))]
    (prompt,) = read_original(write(tmp_path / "a.jsonl", rows)).prompts
    scores = {answer.text: answer.score for answer in prompt.answers}
    assert scores["a"] == scores["b"] == pytest.approx(4 / 9)


def test_a_model_named_once_is_known(tmp_path: Path) -> None:
    rows = [{"instruction": "p", "output": "a"}, {"instruction": "p", "output": "a", "generator": "m"}]
    assert read_original(write(tmp_path / "a.jsonl", rows)).prompts[0].answers == (Answer("a", "m"),)


def test_strict_refuses_every_malformed_row_at_once(tmp_path: Path) -> None:
    """The most frequent reason first, with its first five lines; single answers of a list count too."""
    rows = [pair("p", "7", "8")] + [pair("p", "7", "7")] * 6 + ["[]"]
    path = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(BadInput) as refused:
        read_original(path, strict=True)
    remedy = "Correct them, or set strict = false to leave them out."
    assert refused.value.problems == (
        f"{path}: {readers.SAME_ANSWERS}: 6 times, first in line 2, 3, 4, 5, 6. {remedy}",
        f"{path}: {sources.NOT_OBJECT}: 1 times, first in line 8. {remedy}",
    )
    pool = write(tmp_path / "b.jsonl", [{"prompt": "p", "responses": [{"text": "a"}, {"text": ""}]}])
    assert read_original(pool).left_out == (Malformed(1, turns.EMPTY_ANSWER),)
    with pytest.raises(BadInput, match=turns.EMPTY_ANSWER):
        read_original(pool, strict=True)


@pytest.mark.parametrize(
    ("rows", "layout", "words"),
    [
        ([], None, "there is no row. Give a file with data."),
        (["x", "y"], None, f"{sources.NOT_JSON}: 2 times, first in line 1, 2. Is it the right file?"),
        ([pair("p", "7", "7")], None, f"{readers.SAME_ANSWERS}: 1 times, first in line 1. No row can"),
        ([pair("p", "7", "8")], "hh-rlhf", f"{turns.BEFORE_TURNS}: 1 times, first in line 1. No row can"),
    ],
)  # fmt: skip
def test_a_source_without_a_usable_row_is_refused(
    tmp_path: Path, rows: list[Any], layout: str | None, words: str
) -> None:
    path = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(BadInput) as refused:
        read_original(path, layout)
    (problem,) = refused.value.problems
    assert problem.startswith(f"{path}: {words}")


def test_a_named_format_wins_over_the_columns(tmp_path: Path) -> None:
    """With `responses` and a pair, the columns alone are refused."""
    path = write(tmp_path / "a.jsonl", [pair("p", "7", "8") | {"responses": [{"text": "9"}]}])
    with pytest.raises(BadInput, match="may be any of scored-pool, trl-explicit"):
        read_original(path)
    assert [answer.text for answer in read_original(path, "scored-pool").prompts[0].answers] == ["9"]


ROWS = st.dictionaries(
    st.sampled_from(["prompt", "instruction", "chosen", "rejected", "output", "responses", "messages"]),
    st.sampled_from(["a", "b", "", "1e400", None, 1, True, [], [{"text": "a", "score": 2}],
                     [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]]),
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(ROWS | st.none() | st.integers() | st.text(), max_size=6), st.booleans())
def test_any_json_lines_are_data_or_sentences(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], strict: bool
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "any.jsonl", [json.dumps(row) for row in rows])
    with contextlib.suppress(BadInput):
        data = read_original(path, strict=strict)
        assert data.rows == len(rows)
        assert not (strict and (data.malformed or data.left_out))
        nothing_is_lost(data)
        make_report(data)


def test_hh_rlhf(public_data: Path) -> None:
    """All 1,763 dialogues, split here a second time by the plain rule: the last Assistant mark.

    Of the 10 malformed, 3 have an empty answer; in 7 a role follows itself, which in 3 of them makes the
    prompts differ. The roles are checked first.
    """
    path = public_data / "hh-rlhf" / "harmless-base-test.jsonl.gz"
    data = read_original(path)
    nothing_is_lost(data)
    assert (data.layout, data.rows, len(data.malformed)) == ("hh-rlhf", 1763, 10)
    assert lines_by_reason(data.malformed) == {
        turns.ROLES: (508, 583, 952, 1004, 1280, 1406, 1479),
        turns.EMPTY_ANSWER: (63, 387, 833),
    }
    rows = published(path)
    splits = [[row[side].rsplit("\n\nAssistant:", 1) for side in ("chosen", "rejected")] for row in rows]
    assert [n for n, (c, r) in enumerate(splits, 1) if c[0] != r[0]] == [952, 1280, 1479]
    assert [n for n, sides in enumerate(splits, 1) if not all(s[1].strip() for s in sides)] == [63, 387, 833]
    bad = {malformed.line for malformed in data.malformed}
    prompts: dict[str, set[str]] = defaultdict(set)
    for number, (chosen, rejected) in enumerate(splits, start=1):
        if number not in bad:
            prompts[chosen[0].strip()] |= {chosen[1].strip(), rejected[1].strip()}
    assert [{answer.text for answer in prompt.answers} for prompt in data.prompts] == list(prompts.values())
    assert len(data.prompts) == 1751
    report = make_report(data)
    assert (report.responses, report.pairs, report.repeated_rows) == (3506, 1757, 2)
    assert sum(report.turns_per_prompt.values()) == 1751


def test_pandalm(public_data: Path) -> None:
    """676 pairs, 49 with an empty response and 6 with the JSON value `true`.

    (54 and 6 of the whole 999.) The pairs that can be formed are counted here with fractions.
    """
    path = public_data / "pandalm" / "testset-v1.jsonl.gz"
    data = read_original(path)
    nothing_is_lost(data)
    reasons = lines_by_reason(data.malformed)
    assert (data.layout, data.rows) == ("pandalm", 676)
    assert {reason: len(lines) for reason, lines in reasons.items()} == {
        turns.EMPTY_ANSWER: 49, turns.NOT_TEXT: 6,
    }  # fmt: skip
    rows = published(path)
    given = [[row["response1"], row["response2"]] for row in rows]
    assert [n for n, two in enumerate(given, 1) if True in two] == list(reasons[turns.NOT_TEXT])
    assert [n for n, two in enumerate(given, 1) if "" in two] == list(reasons[turns.EMPTY_ANSWER])
    shares: dict[tuple[str, str], dict[str, list[Fraction]]] = defaultdict(lambda: defaultdict(list))
    for row, two in zip(rows, given, strict=True):
        if "" in two or True in two:
            continue
        wins = [(Fraction(1, 2), 1, 0)[row[f"annotator{which}"]] for which in (1, 2, 3)]
        share = Fraction(sum(wins)) / 3
        for text, mean in zip(two, (share, 1 - share), strict=True):
            shares[row["instruction"], row["input"]][text].append(mean)
    means = [[sum(all_of_one) / len(all_of_one) for all_of_one in one.values()] for one in shares.values()]
    report = make_report(data)
    assert (report.prompts, report.responses) == (len(means), sum(map(len, means))) == (104, 449)
    assert report.pairs == sum(a != b for one in means for a, b in combinations(one, 2))
    scores = [[answer.score for answer in prompt.answers] for prompt in data.prompts]
    assert scores == [[pytest.approx(float(mean), abs=1e-9) for mean in one] for one in means]
    assert {a.model for p in data.prompts for a in p.answers} == {
        "bloom-7b", "llama-7b", "opt-7b", "pythia-6.9b", "cerebras-gpt-6.7B",
    }  # fmt: skip


def test_alpaca_eval(public_data: Path, tmp_path: Path) -> None:
    """Six models on 805 instructions; one of them lacks three: 6 * 805 - 3 = 4,827 outputs with a preference.

    The folder keeps instructions and responses apart; here they are joined as alpaca_eval writes them.
    """
    folder = public_data / "alpacaeval2"
    instructions = {row["index"]: row["instruction"] for row in published(folder / "instructions.jsonl.gz")}
    judged = published(folder / "responses.jsonl.gz")
    rows = [
        {"instruction": instructions[row["index"]], "output": one["output"], "generator": one["model"],
         "preference": one["preference"]}
        for row in judged
        for one in row["responses"]
    ]  # fmt: skip
    data = read_original(write(tmp_path / "outputs.jsonl", rows), strict=True)
    nothing_is_lost(data)
    assert (data.layout, data.rows, len(data.prompts)) == ("alpaca-eval-outputs", 4827, 805)
    report = make_report(data)
    equal = sum(len(row["responses"]) - len({one["output"] for one in row["responses"]}) for row in judged)
    assert report.repeated_answers == equal
    assert report.responses == 4827 - equal
    first = judged[0]["responses"][0]
    answer = data.prompts[0].answers[0]
    assert (answer.text, answer.model, answer.score) == (first["output"], first["model"], first["preference"])
    with pytest.raises(BadInput, match=r"no known format\. Columns found: index, responses\."):
        read_original(folder / "responses.jsonl.gz")
    unscored = make_report(read_original(folder / "instructions.jsonl.gz"))
    assert (unscored.layout, unscored.responses, unscored.unscored) == ("alpaca-eval-outputs", 805, 805)


def test_vicuna(public_data: Path) -> None:
    """46 questions, four answers each, each scored three times from 1 to 5."""
    path = public_data / "scored-responses" / "vicuna.jsonl.gz"
    data = read_original(path, strict=True)
    nothing_is_lost(data)
    report = make_report(data)
    assert (data.layout, report.prompts, report.responses) == ("scored-pool", 46, 184)
    totals = [[sum(one["scores"]) for one in row["responses"]] for row in published(path)]
    assert report.pairs == sum(a != b for row in totals for a, b in combinations(row, 2)) == 177
    means = [[pytest.approx(total / 3) for total in row] for row in totals]
    assert [[answer.score for answer in prompt.answers] for prompt in data.prompts] == means


def test_mt_bench(public_data: Path) -> None:
    """Of 48 * 4 answers to second turns, 142 belong to a prompt that holds another model's first answer."""
    data = read_original(public_data / "scored-responses" / "mt_bench.jsonl.gz")
    nothing_is_lost(data)
    report = make_report(data)
    assert (report.rows, report.prompts, report.responses) == (48, 48, 192 - 142)
    assert {reason: len(lines) for reason, lines in report.left_out.items()} == {readers.PROMPTS_DIFFER: 142}
