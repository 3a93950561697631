"""Tasks run on the policy in memory equal what the `lm-eval` command makes of the saved model."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.evaluation.lm_eval import LmEvalSettings, run_tasks
from harness.models.load import Policy

DOCUMENTS = [
    {"question": f"w{n} w{3 * n % 50}", "choices": [f"w{n + 1}", f"w{n + 2} w4", "w7"], "answer": n % 3}
    for n in range(20)
]


def write_tasks(folder: Path) -> None:
    """A multiple-choice task and a generating one, over the same questions, and a group of both."""
    data = folder / "own.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in DOCUMENTS))
    common = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data), "train": str(data)}},
        "test_split": "test",
        "fewshot_split": "train",
        "doc_to_text": "{{question}}",
        "metadata": {"version": 1.0},
    }
    choice = common | {
        "task": "own_choice",
        "output_type": "multiple_choice",
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }
    answer = common | {
        "task": "own_answer",
        "output_type": "generate_until",
        "doc_to_target": "{{choices[answer]}}",
        "generation_kwargs": {"until": ["w9"], "do_sample": False, "max_gen_toks": 6},
        "metric_list": [{"metric": "exact_match"}],
    }
    for task in (choice, answer):
        (folder / f"{task['task']}.yaml").write_text(yaml.safe_dump(task))
    (folder / "own_group.yaml").write_text(
        yaml.safe_dump({"group": "own_group", "task": ["own_choice", "own_answer"]})
    )


def record_of(folder: Path) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The results file under a folder, and the rows of the samples file of each task."""
    (results,) = folder.rglob("results_*.json")
    samples = {
        path.name.split("_2")[0].removeprefix("samples_"): [
            json.loads(line) for line in path.read_text().splitlines()
        ]
        for path in folder.rglob("samples_*.jsonl")
    }
    record = json.loads(results.read_text())
    for config in record["configs"].values():
        config["metadata"].pop("pretrained", None)  # the command writes the model's arguments there too
    return record, samples


SETTINGS = {
    "plain": LmEvalSettings(apply_chat_template=False, batch_size=8),
    "chat": LmEvalSettings(num_fewshot=2, limit=12, batch_size=8),
}
OPTIONS = {"plain": [], "chat": ["--num_fewshot", "2", "--limit", "12", "--apply_chat_template"]}

# The command's own entry point, twice in one process: its imports take most of its time. What takes seconds
# more, and is compared nowhere, is left out: the package's own tasks and the description of the machine.
COMMANDS = """
import functools, json, sys
import lm_eval.evaluator, lm_eval.tasks
from lm_eval.__main__ import cli_evaluate
lm_eval.evaluator.add_env_info = lambda results: None
lm_eval.tasks.TaskManager = functools.partial(lm_eval.tasks.TaskManager, include_defaults=False)
for words in json.loads(sys.argv[1]):
    sys.argv = ["lm-eval", *words]
    cli_evaluate()
"""


@pytest.fixture(scope="module")
def command(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tasks, and what the command made of the saved model with either settings."""
    folder = tmp_path_factory.mktemp("command")
    write_tasks(folder)
    words = [
        [
            *["run", "--model", "hf", "--device", "cpu", "--batch_size", "8", "--log_samples"],
            *["--model_args", f"pretrained={tiny_base}", "--tasks", "own_group"],
            *["--include_path", str(folder), "--output_path", str(folder / name), *options],
        ]
        for name, options in OPTIONS.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(words)],
        cwd=folder,
        env=os.environ | {"HF_HOME": str(folder / "cache"), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_results_and_samples_equal_those_of_the_command(
    command: Path, tiny_base: Path, tiny_policy: Policy, tmp_path: Path, name: str
) -> None:
    result = run_tasks(tiny_policy, ["own_group"], command, SETTINGS[name], tmp_path, str(tiny_base))
    theirs, their_samples = record_of(command / name)
    ours, our_samples = record_of(tmp_path)
    assert set(our_samples) == {"own_choice", "own_answer"}
    assert our_samples == their_samples
    about_the_run = {"config", "date", "git_hash", "total_evaluation_time_seconds", "fewshot_as_multiturn"}
    about_the_machine = {"pretty_env_info", "transformers_version", "lm_eval_version", "upper_git_hash"}
    assert set(theirs) - set(ours) <= about_the_machine
    shared = set(ours) - about_the_run
    assert {"results", "configs", "versions", "n-shot", "n-samples", "task_hashes", "model_name"} <= shared
    assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}
    accuracy = ours["results"]["own_choice"]["acc,none"]
    assert result.scores["own_choice.acc"] == accuracy
    assert 0 < accuracy < 1
