"""Responses that the model of an endpoint writes: each draw once, paid once, and none in silence."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Say, error, good, question, serving
from pool_of_words import Done, run_stage
from recipe_documents import REAL, draw_of

from harness.data.rows import Prompt, Response
from harness.errors import HarnessError
from harness.plan.model import base_task
from harness.plan.pool import prompts_task, responses_task
from harness.stages import responses
from harness.stages.shared import read_responses
from harness.store.formats import PROMPTS, write_rows

PROMPTS_ASKED = [
    Prompt("p", "one?"),
    Prompt(
        "q", "two?", history=[{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Ho."}]
    ),
]


def numbered(number: int, body: dict[str, Any]) -> Say:
    """Another text each time; 7 tokens of answer."""
    return good(f"answer {number}", tokens=(10, 7))


def written(folder: Path, server: ChatServer, per_prompt: int, replicate: int = 0, run: str = "run") -> Done:
    """The stage as the plan asks for it; the journal stays from run to run."""
    endpoint = {
        "base_url": server.url, "model": "writer-1", "attempts": 1, "concurrency": 1,
        "usd_per_million_in": 1.0, "usd_per_million_out": 10.0,
    }  # fmt: skip
    draw = draw_of(
        REAL,
        pool__responses={"kind": "sample", "temperature": 0.7, "max_new_tokens": 9, "endpoint": endpoint},
    )
    draw = replace(draw, replicate=replicate)
    base = base_task(draw)
    task = responses_task(draw, base, prompts_task(draw, base), per_prompt)
    prompts = folder / "prompts"
    prompts.mkdir(exist_ok=True)
    write_rows(prompts / PROMPTS, PROMPTS_ASKED)
    return run_stage(
        folder / run, responses.run, task.params, {"prompts": prompts}, task.knobs, folder / "journal"
    )


def texts(done: Done) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in read_responses(done.folder):
        found.setdefault(row.prompt_id, []).append(row.text)
    return found


def test_each_response_is_a_call_with_the_whole_conversation(tmp_path: Path) -> None:
    with serving(numbered) as server:
        done = written(tmp_path, server, 2)
    rows = read_responses(done.folder)
    assert [(row.prompt_id, row.index) for row in rows] == [("p", 0), ("p", 1), ("q", 0), ("q", 1)]
    assert rows[0] == Response("p", 0, rows[0].text, 7, True, "writer-1")
    assert len({row.text for row in rows}) == 4
    assert [[turn["content"] for turn in body["messages"]] for body in server.asked] == [
        ["one?"], ["one?"], ["Hi.", "Ho.", "two?"], ["Hi.", "Ho.", "two?"],
    ]  # fmt: skip
    assert {(body["model"], body["temperature"], body["max_tokens"]) for body in server.asked} == {
        ("writer-1", 0.7, 9)
    }
    assert done.cost.judge_calls == 0  # nothing is judged, and all is paid
    assert done.cost.judge_usd == pytest.approx(4 * (10 * 1 + 7 * 10) / 1e6)


def test_an_answer_that_the_limit_cut_off_is_not_finished(tmp_path: Path) -> None:
    def cut(number: int, body: dict[str, Any]) -> Say:
        return good("and so on", finish_reason="length")

    with serving(cut) as server:
        done = written(tmp_path, server, 2)
    assert not any(row.finished for row in read_responses(done.folder))


def test_a_larger_k_pays_only_for_what_it_adds(tmp_path: Path) -> None:
    """In every replicate, so that methods with other K share their first responses."""
    with serving(numbered) as server:
        for replicate in (0, 1):
            paid = server.paid
            few = written(tmp_path, server, 2, replicate, run=f"few-{replicate}")
            many = written(tmp_path, server, 4, replicate, run=f"many-{replicate}")
            assert server.paid == paid + 2 * 4
            for prompt in ("p", "q"):
                assert texts(many)[prompt][:2] == texts(few)[prompt]


def test_replicates_share_no_draw(tmp_path: Path) -> None:
    with serving(numbered) as server:
        one, other = (written(tmp_path, server, 4, replicate, run=f"r{replicate}") for replicate in (0, 1))
        assert server.paid == 16
    for prompt in ("p", "q"):
        assert not set(texts(one)[prompt]) & set(texts(other)[prompt])


def test_failures_are_said_and_asked_for_alone(tmp_path: Path) -> None:
    """What was paid is in the journal, though the task came to nothing."""

    def refusing(number: int, body: dict[str, Any]) -> Say:
        return error(400, "content filter") if question(body) == "two?" else numbered(number, body)

    with serving(refusing) as server:
        with pytest.raises(
            HarnessError,
            match=r"responses: writer-1 gave none to 2 of 4 requests, for one: .*content filter.*"
            r" Those that it gave are kept; run the recipe again to ask for the others\.",
        ):
            written(tmp_path, server, 2)
        kept = [
            json.loads(line) for line in (tmp_path / "journal" / "writer-1.jsonl").read_text().splitlines()
        ]
        assert sum(line["event"] == "paid" for line in kept) == server.paid == 2
        server.behave = numbered
        done = written(tmp_path, server, 2, run="again")
        assert server.paid == 4
    assert texts(done)["p"] == ["answer 1", "answer 2"]
    assert done.cost.judge_usd == pytest.approx(4 * 80e-6)
