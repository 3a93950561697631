"""lm-evaluation-harness on a small task, against log-probabilities computed the plain way."""

import functools
import json
import socket
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
import lm_eval.tasks
import pytest
import yaml
from lm_eval.tasks import TaskManager

from harness.data.tokens import Encoded
from harness.errors import BadInput
from harness.evaluation.lm_eval import LmEvalSettings, fetch_tasks, run_tasks
from harness.models.chat import encode
from harness.models.load import Policy
from harness.models.logprobs import sequence_logprobs

CHOICES = [["w1", "w2 w3", "w4", "w5"], ["w9", "w8", "w7 w6", "w5"], ["w20", "w21", "w22", "w23 w1"]]


def documents(answers: list[int]) -> list[dict[str, Any]]:
    return [
        {"question": f"w{n} w{n + 1}", "choices": CHOICES[n % 3], "answer": answer}
        for n, answer in enumerate(answers)
    ]


def write_task(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": "own_choice",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "own.jsonl")}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "question",
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc"}],
        "metadata": {"version": 2.0},
    }
    (folder / "own.yaml").write_text(yaml.safe_dump(task))


def likeliest(policy: Policy, row: dict[str, Any]) -> int:
    """The choice with the largest log-probability after the prompt as models/chat.py renders it."""
    rows: list[Encoded] = [
        encode(policy.tokenizer, row["question"], choice, finished=False) for choice in row["choices"]
    ]
    return int(sequence_logprobs(policy, rows).argmax())


def test_scores_and_items_equal_the_plain_way(tiny_policy: Policy, tmp_path: Path) -> None:
    """Correct answers are set for even items only, so that the accuracy is known: 6 of 12."""
    rows = documents([0] * 12)
    for number, row in enumerate(rows):
        row["answer"] = (likeliest(tiny_policy, row) + number % 2) % 4
    write_task(tmp_path, rows)
    result = run_tasks(tiny_policy, ["own_choice"], tmp_path, LmEvalSettings(batch_size=5))
    assert result.scores == {"own_choice.acc": 0.5}
    assert result.items == {"own_choice.acc": {str(n): float(n % 2 == 0) for n in range(12)}}
    assert result.versions == {"own_choice": 2.0}


def test_items_go_by_their_own_id_where_they_have_one(tiny_policy: Policy, tmp_path: Path) -> None:
    write_task(tmp_path, [row | {"id": f"fact-{n}"} for n, row in enumerate(documents([0, 1]))])
    result = run_tasks(tiny_policy, ["own_choice"], tmp_path)
    assert set(result.items["own_choice.acc"]) == {"fact-0", "fact-1"}


def test_a_limit_runs_the_first_items(tiny_policy: Policy, tmp_path: Path) -> None:
    write_task(tmp_path, documents([0] * 12))
    result = run_tasks(tiny_policy, ["own_choice"], tmp_path, LmEvalSettings(limit=3))
    assert list(result.items["own_choice.acc"]) == ["0", "1", "2"]


def test_an_edited_data_file_is_read_again(tiny_policy: Policy, tmp_path: Path) -> None:
    for shift in (0, 1):
        rows = documents([0] * 4)
        write_task(tmp_path, [row | {"answer": (likeliest(tiny_policy, row) + shift) % 4} for row in rows])
        result = run_tasks(tiny_policy, ["own_choice"], tmp_path)
        assert result.scores["own_choice.acc"] == 1.0 - shift


def test_repeated_ids_fall_back_to_numbers(tiny_policy: Policy, tmp_path: Path) -> None:
    write_task(tmp_path, [row | {"id": "same"} for row in documents([0, 1])])
    result = run_tasks(tiny_policy, ["own_choice"], tmp_path)
    assert set(result.items["own_choice.acc"]) == {"0", "1"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each set of task files is read once: those of the package take ten seconds."""
    monkeypatch.setattr("harness.evaluation.lm_eval.TaskManager", _read)


_read = functools.cache(TaskManager)


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_an_unknown_task_is_refused_with_its_neighbours(tiny_policy: Policy) -> None:
    with pytest.raises(BadInput) as caught:
        run_tasks(tiny_policy, ["hellaswagg", "?"])
    first, second = caught.value.problems
    assert first.startswith("evaluation.lm_eval.tasks: no task hellaswagg. Did you mean hellaswag")
    assert second == "evaluation.lm_eval.tasks: no task ?. `lm-eval ls tasks` lists all."


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_an_installed_task_without_its_data_says_how_to_get_it(
    tiny_policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    with pytest.raises(BadInput, match=r"cannot read the data set allenai/ai2_arc .*harness prefetch\.$"):
        run_tasks(tiny_policy, ["arc_easy"])


def test_a_group_of_own_tasks_is_read_from_its_folder_alone(
    tiny_policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def watch(include_path: str, include_defaults: bool) -> TaskManager:
        read.append(include_defaults)
        return TaskManager(include_path=include_path, include_defaults=include_defaults)

    monkeypatch.setattr("harness.evaluation.lm_eval.TaskManager", watch)
    write_task(tmp_path, documents([0]))
    (tmp_path / "group.yaml").write_text(yaml.safe_dump({"group": "own", "task": ["own_choice"]}))
    assert set(run_tasks(tiny_policy, ["own"], tmp_path).scores) == {"own_choice.acc"}
    assert read == [False]


def test_fetching_reads_the_data_of_every_task(tmp_path: Path) -> None:
    write_task(tmp_path, documents([0]))
    fetch_tasks(["own_choice"], tmp_path)
    (tmp_path / "own.jsonl").unlink()
    with pytest.raises(BadInput, match="Check its data_files"):
        fetch_tasks(["own_choice"], tmp_path)


@pytest.mark.parametrize(
    "dataset",
    [
        {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "PLACE/data/own.jsonl"}}},
        {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": ["PLACE/tasks/link/own.jsonl"]}}},
        {"dataset_path": "json", "dataset_kwargs": {"data_files": "data/own.jsonl"}},
        {"dataset_path": "json", "dataset_kwargs": {"data_files": "own.jsonl", "data_dir": "PLACE/data"}},
        {"dataset_path": "PLACE/data"},
    ],
    ids=["absolute", "by a link", "from here", "below a folder", "a folder"],
)
def test_data_that_lie_elsewhere_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: dict[str, Any]
) -> None:
    """A result is known by the content of the folder of task files, and nothing else of what it read."""
    tasks, data = tmp_path / "tasks", tmp_path / "data"
    tasks.mkdir()
    data.mkdir()
    write_task(tasks, documents([0]))
    (tasks / "own.jsonl").rename(data / "own.jsonl")
    (tasks / "link").symlink_to(data)
    task = yaml.safe_load((tasks / "own.yaml").read_text())
    del task["dataset_kwargs"]
    (tasks / "own.yaml").write_text(yaml.safe_dump(task | dataset).replace("PLACE", str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=r"include: a task reads .*, which lies elsewhere"):
        fetch_tasks(["own_choice"], tasks)


def test_a_missing_data_file_is_one_sentence(tiny_policy: Policy, tmp_path: Path) -> None:
    write_task(tmp_path, documents([0]))
    (tmp_path / "own.jsonl").unlink()
    with pytest.raises(
        BadInput, match=r"cannot read the data set json of a task \(.*\)\. Check its data_files\.$"
    ):
        run_tasks(tiny_policy, ["own_choice"], tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "process_docs: !function code.call",
        "process_docs: !<!function> code.call",
        "include: ../elsewhere/base.txt",
        "metric_list: [{metric: PLACE/code/code.py}]",
        "metric_list: [{metric: code}]",
        "doc_to_text: '{{ cycler.__init__.__globals__.os.mkdir(\"PLACE/ran\") }}'",
    ],
    ids=["function", "spelled out", "from elsewhere", "a script", "a script that lies here", "template"],
)
def test_no_code_of_a_task_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    for name in ("tasks", "elsewhere", "code"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.py").write_text(
            f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).mkdir()\ncall = list\n"
        )
    (tmp_path / "elsewhere" / "base.txt").write_text("process_docs: !function code.call\n")
    write_task(tmp_path / "tasks", documents([0]))
    with (tmp_path / "tasks" / "own.yaml").open("a") as file:
        file.write(line.replace("PLACE", str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        BadInput, match=r"^evaluation\.lm_eval\.include: .*nothing that a recipe brings is run"
    ):
        fetch_tasks(["own_choice"], tmp_path / "tasks")
    assert not (tmp_path / "ran").exists()


def test_functions_of_the_package_are_run_for_its_own_files(tmp_path: Path) -> None:
    """One of its task files, on data of ours: its function makes the question that its template shows."""
    row = {"activity_label": "A", "ctx_a": "b", "ctx_b": "c", "endings": ["d", "e"], "label": "0"}
    (tmp_path / "own.jsonl").write_text(json.dumps(row) + "\n")
    splits = dict.fromkeys(("train", "validation"), str(tmp_path / "own.jsonl"))
    task = {
        "include": str(Path(lm_eval.tasks.__file__).parent / "hellaswag" / "hellaswag.yaml"),
        "task": "own_hellaswag",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": splits},
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(task))
    fetch_tasks(["own_hellaswag"], tmp_path)


def test_nothing_is_printed(tiny_policy: Policy, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_task(tmp_path, documents([0] * 3))
    run_tasks(tiny_policy, ["own_choice"], tmp_path)
    assert capfd.readouterr() == ("", "")


def test_nothing_reaches_the_network_or_the_shared_cache(
    tiny_policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a user who has set nothing: left alone, `datasets` would look up s3.amazonaws.com."""
    looked_up = []

    def refuse(host: str, *_: object, **__: object) -> None:
        looked_up.append(host)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    write_task(tmp_path, documents([0]))
    run_tasks(tiny_policy, ["own_choice"], tmp_path)
    assert looked_up == []
    assert not (tmp_path / "cache").exists()
