"""`harness pool`: what is read, what is left out, and what evaluation prompts share with the pool."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import BadInput

RECIPE = """
title = "t"
baseline = "dpo"
[model]
kind = "random"
[budget]
responses = 8
[training]
steps = 1
learning_rate = 1e-3
[pool]
judge = { kind = "length" }
prompts = { kind = "dataset", count = 4, PROMPTS }
[evaluation.alpaca_eval]
judge = { kind = "length" }
prompts = { EVALUATION }
[methods.dpo]
responses_per_prompt = 2
"""
HELD_OUT = 'kind = "held-out", count = 2'


def pool(folder: Path, prompts: str, evaluation: str = HELD_OUT, *words: str) -> str:
    """What the command prints, each run of blanks and lines as one blank."""
    (folder / "r.toml").write_text(RECIPE.replace("PROMPTS", prompts).replace("EVALUATION", evaluation))
    return printed("pool", str(folder / "r.toml"), *words)


def printed(*words: str) -> str:
    output = CliRunner().invoke(app, words, catch_exceptions=False).output
    return " ".join(re.sub("[│┌┐└┘─┬┴]", " ", output).split())


def row(prompt: str, *responses: Any) -> str:
    return json.dumps(
        {"prompt": prompt, "responses": [{"text": text, "score": score} for text, score in responses]}
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    lines = [
        row("a colour that all like", ("red", 3), ("blue", 1), ("green", 1)),
        row("b", ("yes", 1), ("no", 0)),
        row("b", ("yes", 0), ("maybe", 0)),
        row("c", ("same", 1), ("", 0)),
        "not JSON",
        row("d", ("one", 0), ("two", 2)),
    ]
    (tmp_path / "pool.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


PLAIN = 'path = "pool.jsonl", max_characters = 10, held_out = 0.0'


def test_a_small_file_is_told_in_full(project: Path) -> None:
    """Six rows, four prompts; `b` has yes (1, then 0: mean 0.5), no and maybe. Pairs with different scores:
    a has 2, b has yes over both, d has 1.
    """
    (project / "e.jsonl").write_text('{"prompt": "z"}\n')
    text = pool(project, PLAIN, 'kind = "dataset", path = "e.jsonl"')
    for told in (
        "pool.jsonl (scored-pool)",
        "rows read 6",
        "prompts (breadth) 4",
        "responses 9",
        "responses to a prompt 1: 1, 2: 1, 3: 2",
        "pairs with different scores 5",
        "rows of a prompt seen before 1",
        "responses seen before 1",
        "responses scored differently 1",
        "1 rows left out: 1 the line is not JSON: line 5",
        "1 answers left out: 1 an answer is empty: line 4",
        "1 prompts of more than 10 characters are left out.",
        "Overlap with the evaluation prompts: 0 of 3 prompts share 8 or 13 words in a row, or all of them, "
        "with 0 of 1.",
    ):
        assert told in text, (told, text)


def test_only_what_is_used_of_either_side_is_compared(project: Path) -> None:
    """`c` is the second prompt of the file, of which one is taken; the long one is in no pool."""
    (project / "e.jsonl").write_text(
        "".join(f'{{"prompt": "{text}"}}\n' for text in ("a colour that all like", "c", "d"))
    )
    evaluation = 'kind = "dataset", path = "e.jsonl"'
    assert "Overlap with the evaluation prompts: 2 of 3 prompts" in pool(project, PLAIN, evaluation)
    text = pool(project, PLAIN, f"{evaluation}, count = 2")
    assert "Overlap with the evaluation prompts: 1 of 3 prompts" in text
    assert "with 1 of 2. " in text
    assert ": 'c'" in text


def test_a_picture_is_drawn_on_request(project: Path) -> None:
    (project / "e.jsonl").write_text('{"prompt": "z"}\n')
    picture = project / "pool.svg"
    evaluation = 'kind = "dataset", path = "e.jsonl"'
    assert not picture.exists()
    text = pool(project, PLAIN, evaluation, "--picture", str(picture))
    assert f"picture: {picture}" in text
    assert picture.read_text().lstrip().startswith("<?xml")


def test_the_name_of_a_file_does_nothing_but_name_it(project: Path) -> None:
    (project / "\x1b[2J[b]$x$.jsonl").write_bytes((project / "pool.jsonl").read_bytes())
    picture = project / "pool.svg"
    prompts = r'path = "\u001b[2J[b]$x$.jsonl", held_out = 0.5'
    text = pool(project, prompts, HELD_OUT, "--picture", str(picture))
    assert r"\x1b[2J[b]$x$.jsonl (scored-pool)" in text
    assert "\x1b" not in text
    ElementTree.parse(picture)


def test_refusals_are_one_sentence(project: Path) -> None:
    with pytest.raises(BadInput, match=r"pool\.prompts\.path: there is no file 'none\.jsonl'"):
        pool(project, 'path = "none.jsonl"')
    world = project / "world.toml"
    world.write_text(
        'title = "t"\nbaseline = "dpo"\n[budget]\nresponses = 8\n[training]\nsteps = 1\n'
        "learning_rate = 1e-3\n[methods.dpo]\nresponses_per_prompt = 2\n"
    )
    with pytest.raises(BadInput, match=r"pool\.prompts: 'atlas' reads no data; its prompts are made\."):
        printed("pool", str(world))


def test_public_dialogues(tmp_path: Path, public_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,763 rows of HH-RLHF, less 10 malformed ones, less 2 of prompts seen before."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HARNESS_DATA", str(public_data))
    text = pool(tmp_path, 'path = "hh-rlhf/harmless-base-test.jsonl.gz"', 'kind = "held-out", count = 100')
    for told in (
        "harmless-base-test.jsonl.gz (hh-rlhf)",
        "rows read 1,763",
        "prompts (breadth) 1,751",
        "responses to a prompt 2: 1,749, 4: 2",
        "scores 0 to 1,",
        "10 rows left out: 7 the roles do not alternate, from user to assistant: line 508, 583, 952, 1004, "
        "1280, ... 3 an answer is empty: line 63, 387, 833",
        "of 100. ",
    ):
        assert told in text, (told, text)
