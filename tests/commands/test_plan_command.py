"""What `plan` says of the differences that a run could tell apart, with and without a board."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import BadInput

RECIPE = """
title = "t"
baseline = "random"
[seeds]
replicates = [0, 1]
[budget]
responses = 8
[training]
steps = 1
learning_rate = 1e-3
[evaluation.alpaca_eval]
prompts = { kind = "atlas", count = 200 }
samples_per_prompt = 4
[methods.random]
responses_per_prompt = 4
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HARNESS_STORE", raising=False)
    (tmp_path / "r.toml").write_text(RECIPE)
    return tmp_path


def planned(project: Path) -> str:
    done = CliRunner().invoke(app, ["plan", str(project / "r.toml")])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_samples_of_one_prompt_do_not_count_as_verdicts(project: Path) -> None:
    """200 prompts x 2 replicates: (1.960 + 0.842) x sqrt(2) x 50 / sqrt(400) = 9.9 points."""
    size = (1.960 + 0.842) * math.sqrt(2) * 50 / math.sqrt(400)
    text = planned(project)
    assert "that 400 verdicts (prompts x replicates) detect" in text
    assert f"about {size:.1f} points, if nothing but single verdicts varied; expect more." in text


def test_a_board_that_cannot_be_read_leaves_the_estimate(project: Path) -> None:
    records = project / "leaderboards" / "r" / "records"
    records.mkdir(parents=True)
    (records / "random.0.json").write_text("{")
    text = planned(project)
    assert "The board that is there cannot be used: " in text
    assert "is not complete JSON" in text
    assert "about 9.9 points" in text


def as_json(project: Path, *options: str) -> Any:
    done = CliRunner().invoke(app, ["plan", str(project / "r.toml"), "--json", *options])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_json_says_what_the_tables_say(project: Path) -> None:
    """8 responses at 4 a prompt are 2 prompts, with a pair each unless a method says otherwise."""
    said, text = as_json(project, "--jobs", "3"), planned(project)
    assert list(said) == [
        "recipe", "tasks", "stages", "methods", "tuning", "head_to_head", "costs", "to_run", "jobs",
        "seconds", "seconds_basis", "detectable",
    ]  # fmt: skip
    assert (said["recipe"], said["jobs"]) == ("r", 3)
    assert (said["costs"], said["tuning"], said["head_to_head"]) == (None, None, None)
    assert len(said["to_run"]) == said["tasks"] == count(text)
    assert sum(stage["to_run"] for stage in said["stages"]) == said["tasks"]
    assert {stage["stored"] for stage in said["stages"]} == {0}
    assert {task["stage"] for task in said["to_run"]} == {stage["stage"] for stage in said["stages"]}
    one = {"method": "random", "prompts": 2, "responses": 8, "pairs": 2, "pairs_exact": False}
    assert said["methods"] == [one]
    assert said["seconds_basis"] == "default"
    spent = sum(stage["to_run"] * stage["seconds_each"] for stage in said["stages"])
    assert said["seconds"] == pytest.approx(spent / 3, rel=1e-3)
    size = (1.960 + 0.842) * math.sqrt(2) * 50 / math.sqrt(400)
    assert said["detectable"].pop("points") == pytest.approx(size, rel=0.01)
    assert said["detectable"] == {"basis": "verdicts", "verdicts": 400, "board_problem": None}


def test_json_has_costs_and_tuning_where_there_are_any(project: Path) -> None:
    """As in the table: 4 x 800 outputs of 174 tokens, 2e9 FLOPs each, at 1e12 FLOPs a second."""
    tuning = "[tuning]\ntrials = 2\nprompts = 10\nspace = { beta = [0.1, 0.2] }\n[methods.random]"
    (project / "r.toml").write_text(RECIPE.replace("[methods.random]", tuning))
    said = as_json(project, "--parameters", "1e9", "--throughput", "1e12")
    outputs = said["costs"]["stages"]["outputs"]
    assert outputs["tokens_forward"] == 3200 * 174
    assert outputs["flops"] == pytest.approx(3200 * 174 * 2e9)
    assert outputs["gpu_seconds"] == pytest.approx(3200 * 174 * 2e-3)
    assert said["costs"]["total"]["flops"] >= outputs["flops"]
    assert said["costs"]["assumed"][0].startswith("Assumed: 1 billion parameters")
    assert said["tuning"] == {
        "trials": 2, "prompts": 10, "samples_per_prompt": 2, "space": {"beta": [0.1, 0.2]}
    }  # fmt: skip


def test_json_says_why_a_board_was_not_used(project: Path) -> None:
    records = project / "leaderboards" / "r" / "records"
    records.mkdir(parents=True)
    (records / "random.0.json").write_text("{")
    assert "is not complete JSON" in as_json(project)["detectable"]["board_problem"]


def test_trials_are_tasks_and_are_said(project: Path) -> None:
    """Two replicates of two trials: 4 trainings and 4 trials in place of 2 trainings, and a choice each."""
    tuning = "[tuning]\ntrials = 2\nprompts = 10\nspace = { beta = [0.1, 0.2] }\n[methods.random]"
    before = planned(project)
    (project / "r.toml").write_text(RECIPE.replace("[methods.random]", tuning))
    text = planned(project)
    assert "is trained 2 times, and each time judged on 10 x 2 responses to validation prompts" in text
    # besides, in each replicate: the validation prompts and the start's responses to them
    assert count(text) - count(before) == (4 - 2) + 4 + 2 + 2 + 2


def count(text: str) -> int:
    (found,) = re.findall(r"of (\d+) tasks to run", text)
    return int(found)


def costs(project: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["plan", str(project / "r.toml"), *options])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split("costs of what is to run")[1].split())


def test_a_stated_size_gives_costs_and_what_they_rest_on(project: Path) -> None:
    """Prompts of 150 tokens, answers of 24: outputs of 200 prompts x 4 samples, in two replicates, under the
    one method, and of the start for each: 4 x 800 x 174 tokens = 0.56 million; 2 x 1e9 x that is 1 PFLOP.
    """
    text = costs(project, "--parameters", "1e9", "--throughput", "1e12")
    assert "outputs │ 0.6 │ 1 │ 0.3 │ 0 │ 0.00 │ 0.0" in text
    assert "Assumed: 1 billion parameters (as stated); prompts of 150 and given responses of 250" in text
    assert "1e+12 FLOPs a second" in text
    assert "Not in the figures: lm_eval" in text


def test_a_gpu_is_named_by_its_peak(project: Path) -> None:
    text = costs(project, "--parameters", "1e9", "--throughput", "A100")
    assert "one A100 at 35% of its bf16 peak, 10% where it writes" in text


@pytest.mark.parametrize("throughput", ["tpu", "-1", "nan", "inf", "0"])
def test_another_throughput_is_refused(project: Path, throughput: str) -> None:
    words = ["plan", str(project / "r.toml"), "--throughput", throughput]
    found = CliRunner().invoke(app, words).exception
    assert isinstance(found, BadInput)
    assert str(found).startswith("--throughput: must be one of h100, a100, l40s, rtx4090, or FLOPs a second")


def test_the_embedded_world_needs_no_costs(project: Path) -> None:
    assert "costs of what is to run" not in planned(project)
