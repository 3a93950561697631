"""The figures of a small source, counted by hand."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.data.original import OriginalData, read_original
from harness.data.report import Spread, make_report, write_histograms
from harness.data.sources import NOT_JSON
from harness.data.turns import EMPTY_ANSWER


@pytest.fixture
def data(tmp_path: Path) -> OriginalData:
    """Four scored answers to p, one of them repeated; one without score to qq; one to s and rrr."""
    answers = [("a", 1), ("bb", 1), ("ccc", 2), ("dddd", 4), ("a", 1)]
    rows = [
        {"prompt": "p", "responses": [{"text": text, "score": score} for text, score in answers]},
        {"prompt": "qq", "responses": [{"text": "a"}, {"text": ""}]},
        {
            "turns": [{"role": "system", "content": "s"}, {"role": "user", "content": "rrr"}],
            "responses": [{"text": "a", "score": 8}],
        },
    ]
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{\n")
    return read_original(path)


def test_figures_by_hand(data: OriginalData) -> None:
    """There are 6 pairs for p, one of them a tie.

    The scores are 1, 1, 2, 4, 8: by nearest rank the median is the third, p95 the fifth.
    """
    report = make_report(data)
    assert (report.rows, report.prompts, report.responses, report.pairs, report.unscored) == (4, 3, 6, 5, 1)
    assert (report.repeated_rows, report.repeated_answers, report.rescored_answers) == (0, 1, 0)
    assert report.malformed == {NOT_JSON: (4,)}
    assert report.left_out == {EMPTY_ANSWER: (2,)}
    assert report.turns_per_prompt == {1: 2, 2: 1}
    assert report.responses_per_prompt == {1: 2, 4: 1}
    assert report.pairs_per_prompt == {0: 2, 5: 1}
    assert report.scores == Spread(1, 2, 8, 8)
    assert report.score_gaps == Spread(3, 3, 3, 3)
    assert report.prompt_characters == Spread(1, 2, 4, 4)
    assert report.response_characters == Spread(1, 1, 4, 4)
    assert json.loads(json.dumps(asdict(report)))["pairs_per_prompt"] == {"0": 2, "5": 1}


def test_prompts_alone_have_no_spread_of_answers(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "p"}\n')
    report = make_report(read_original(path))
    assert (report.scores, report.score_gaps, report.response_characters) == (None, None, None)
    assert (report.responses, report.responses_per_prompt) == (0, {0: 1})


def test_the_picture_is_the_same_each_time(data: OriginalData, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    paths = [tmp_path / name for name in ("first.svg", "second.svg", "picture.png")]
    for path in paths:
        write_histograms(data, path)
    first, second, picture = (path.read_bytes() for path in paths)
    assert first == second
    assert first.startswith(b"<?xml")
    assert picture.startswith(b"\x89PNG")
