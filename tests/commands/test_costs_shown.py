"""What `plan` takes its sizes and lengths from."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.commands.inputs import files_of
from harness.commands.places import places_of
from harness.errors import BadInput
from harness.plan.build import build_plan
from harness.recipe.load import load_recipe
from harness.store.formats import RESULT, write_json
from harness.store.local import LocalStore

RECIPE = """
title = "t"
baseline = "dpo"
[seeds]
replicates = [0]
[model]
kind = "hf"
name = "tiny-3B"
dtype = "fp32"
[pool]
prompts = { kind = "dataset", path = "data.jsonl", count = 8 }
judge = { kind = "length" }
[budget]
responses = 8
[training]
steps = 1
learning_rate = 1e-3
[evaluation.alpaca_eval]
prompts = { kind = "held-out", count = 2 }
judge = { kind = "endpoint", base_url = "http://localhost/v1", model = "m" }
[methods.dpo]
responses_per_prompt = 2
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.delenv("HARNESS_STORE", raising=False)
    (tmp_path / "tiny-3B").mkdir()
    (tmp_path / "data.jsonl").write_text("{}\n")
    (tmp_path / "r.toml").write_text(RECIPE)
    return tmp_path


def planned(project: Path) -> str:
    done = CliRunner().invoke(app, ["plan", str(project / "r.toml")])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def store(project: Path, stage: str, result: dict[str, object]) -> None:
    """Put an artifact of the plan's first task of a stage into the store."""
    places = places_of(project / "r.toml")
    recipe = load_recipe(places.recipe)
    tasks = build_plan(recipe, files_of(recipe, places)).tasks
    there = LocalStore(places.store)
    there.prepare()
    with there.create(next(task for task in tasks if task.stage == stage).identity) as draft:
        draft.cost = {"wall_s": 1.0}
        write_json(draft.folder / RESULT, result)


def test_before_anything_is_stored_the_name_says_the_size(project: Path) -> None:
    text = planned(project)
    assert "Assumed: 3 billion parameters (by its name)" in text
    assert "(assumed until the data are stored)" in text
    assert "adapters count as nothing" in text
    assert "tasks to run: how long that takes is not known until some are done." in text


def test_weights_on_this_machine_say_it_better(project: Path, tiny_base: Path) -> None:
    """The tiny model has fewer than a million parameters."""
    (project / "tiny-3B").rmdir()
    (project / "tiny-3B").symlink_to(tiny_base)
    text = planned(project)
    assert "e-05 billion parameters (by its weights on this machine)" in text
    assert "adapters count as nothing" not in text


def test_what_is_stored_says_it_best(project: Path) -> None:
    """400 and 80 characters are 100 and 20 tokens."""
    store(project, "base_model", {"parameters": 2e9})
    store(project, "dataset", {"prompt_characters": {"median": 400}, "response_characters": {"median": 80}})
    text = planned(project)
    assert "Assumed: 2 billion parameters (by the stored model)" in text
    assert "prompts of 100 and given responses of 20 tokens (medians of the stored data" in text


def test_calls_without_a_price_are_said(project: Path) -> None:
    """2 prompts x 4 samples of the one method."""
    text = planned(project)
    assert "8 calls have no price: state usd_per_million_in and usd_per_million_out." in text
    assert "│ alpaca_eval │ 0.0 │ 0 │ 0.0 │ 8 │ ? │ 0.0 │" in text


def test_comparisons_of_methods_with_each_other_are_counted(project: Path) -> None:
    """2 prompts x 4 samples, both ways round: 16 calls, in the table and in a sentence of their own."""
    more = "[methods.none]\n[evaluation]\nhead_to_head = true\n"
    (project / "r.toml").write_text(RECIPE + more)
    text = planned(project)
    assert "Head to head: 1 pair of methods in 1 replicate, both ways round" in text
    assert "at most 16 judge calls, 16 of them to make." in text
    assert "│ head_to_head │ 0.0 │ 0 │ 0.0 │ 16 │ ? │ 0.0 │" in text
    assert "32 calls have no price" in text


def test_a_gpu_hour_costs_what_the_user_says(project: Path) -> None:
    """Log-probabilities: 8 responses x (150 + 24) tokens x 2 x 3e9 FLOPs are 8.352e12.

    At 1e10 FLOPs a second these are 835.2 s or 0.232 hours, which cost 0.696 at 3 dollars an hour.
    """
    assert "GPUs are not in the dollars: state --gpu-usd" in planned(project)
    words = ["plan", str(project / "r.toml"), "--throughput", "1e10", "--gpu-usd", "3"]
    text = " ".join(CliRunner().invoke(app, words).output.split())
    assert "│ logprobs │ 0.0 │ 0 │ 0.2 │ 0 │ 0.70 │ 0.0 │" in text
    assert "1e+10 FLOPs a second, at $3.00 an hour" in text
    assert "--gpu-usd" not in text


@pytest.mark.parametrize(("option", "value"), [("--parameters", "nan"), ("--gpu-usd", "inf")])
def test_a_number_that_is_none_is_refused(option: str, value: str, project: Path) -> None:
    done = CliRunner().invoke(app, ["plan", str(project / "r.toml"), "--json", option, value])
    assert isinstance(done.exception, BadInput)
    assert str(done.exception) == f"{option}: must be a number of at least 0. Got {value}."


def test_each_shard_is_a_share_of_its_stage(project: Path) -> None:
    """The log-probabilities' 8.352e12 FLOPs are 2.32 hours at 1e9 a second; they write 832 bytes."""
    with (project / "r.toml").open("a") as file:
        file.write("[resources.logprobs]\nshards = 4\n[resources.gradients]\nshards = 2\n")
    text = " ".join(
        CliRunner().invoke(app, ["plan", str(project / "r.toml"), "--throughput", "1e9"]).output.split()
    )
    assert "logprobs: in 4 shards, each of 0.6 GPU hours and 0.00 GB." in text
    assert "gradients: in" not in text  # the plan has none
