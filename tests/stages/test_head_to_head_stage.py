"""Two methods' outputs before a judge, both ways round: a real endpoint on loopback, and a grader."""

import re
from pathlib import Path
from typing import Any

import pytest
from chat_server import Say, good, question, serving

from harness.data.rows import Prompt, Response
from harness.metering import Meter
from harness.stages import head_to_head
from harness.stages.job import Job
from harness.store.formats import PROMPTS, RESPONSES, RESULT, read_json, write_rows

ENDPOINT = {"kind": "endpoint", "model": "judge-2026-01-01", "both_orders": True}


def job_of(folder: Path, judge: dict[str, Any], mine: list[str], theirs: list[str]) -> Job:
    """One prompt, a sample for each text."""
    for name in ("held_out", "outputs", "reference", "out"):
        (folder / name).mkdir()
    write_rows(folder / "held_out" / PROMPTS, [Prompt("p", "Why?")])
    for name, texts in {"outputs": mine, "reference": theirs}.items():
        rows = [Response("p", index, text, 1, True) for index, text in enumerate(texts)]
        write_rows(folder / name / RESPONSES, rows)
    inputs = {name: folder / name for name in ("held_out", "outputs", "reference")}
    params = {"judge": judge, "world": None, "seed": 0}
    return Job(
        params, inputs, folder / "out", Meter(), lambda *_: None, lambda: folder, journal=folder / "journal"
    )


def first_but_for_best(number: int, body: dict[str, Any]) -> Say:
    """Prefers what it sees first, unless one text is "best"; has no verdict on "silent"."""
    shown = re.findall(r"\[Answer of [AB]\]\n(.*?)\n\[End", question(body), re.DOTALL)
    if "silent" in shown:
        return good("I would rather not say.")
    return good("So. [[B]]" if shown[1] == "best" else "So. [[A]]")


def test_a_judge_that_likes_the_first_place_is_even_and_its_flips_are_counted(tmp_path: Path) -> None:
    """The best wins both ways round: 2. The first place wins once for each: 1.5, a flip. Equal texts are not
    asked for, equal comparisons share one, and one has no verdict.
    """
    mine, theirs = ["best", "x", "x", "same", "silent"], ["x", "y", "y", "same", "z"]
    with serving(first_but_for_best) as server:
        job = job_of(tmp_path, ENDPOINT | {"base_url": server.url}, mine, theirs)
        assert head_to_head.run(job) == 1
        assert len(set(server.questions)) == 6  # three different comparisons, both ways round
    result = read_json(tmp_path / "out" / RESULT)
    assert result["preferences"] == {"p": [2.0, 1.5, 1.5, 1.5, None]}
    assert result["flips"] == 1
    assert result["judge"].endswith(":both-orders")


@pytest.mark.parametrize(("mine", "preference"), [("longer", 2.0), ("s", 1.0)])
def test_a_grader_has_no_order(tmp_path: Path, mine: str, preference: float) -> None:
    job = job_of(tmp_path, {"kind": "length"}, [mine], ["four"])
    assert head_to_head.run(job) == 0
    result = read_json(tmp_path / "out" / RESULT)
    assert result == {"judge": "length-1", "preferences": {"p": [preference]}, "flips": 0}
    assert job.meter.cost.judge_calls == 1
