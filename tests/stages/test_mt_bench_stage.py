"""A policy answers a question file, and the recipe's judge grades it."""

import json
import shutil
from pathlib import Path

from harness.metering import Meter
from harness.stages import mt_bench
from harness.stages.job import Job
from harness.store.formats import RESULT, read_json


def test_two_turns_by_a_length_judge(tmp_path: Path, tiny_base: Path) -> None:
    """Grades are the answers' lengths; each answer is one judgment, and runs its own prompt forward."""
    base, out = tmp_path / "base", tmp_path / "out"
    shutil.copytree(tiny_base, base)
    (base / RESULT).write_text(json.dumps({"parameters": 1000}))
    out.mkdir()
    questions = tmp_path / "question.jsonl"
    rows = [
        {"question_id": 1, "category": "a", "turns": ["w1", "w2"]},
        {"question_id": 2, "category": "b", "turns": ["w3"]},
    ]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    params = {"judge": {"kind": "length"}, "temperature": 0.7, "max_new_tokens": 5, "seed": 0, "world": None}
    job = Job(
        params,
        {"base_model": base},
        out,
        Meter(),
        lambda *_: None,
        lambda: tmp_path,
        knobs={"path": questions},
    )
    assert mt_bench.run(job) == 0
    result = read_json(out / RESULT)
    assert result["judge"] == "length-1"
    assert result["items"] == {place: float(len(answer)) for place, answer in result["answers"].items()}
    assert set(result["items"]) == {"1/1", "2/1", "1/2"}
    assert set(result["summary"]) == {"overall", "turn_1", "turn_2", "category.a", "category.b", "missing"}
    assert job.meter.cost.judge_calls == 3
    assert job.meter.cost.tokens_forward > 3 * 5
