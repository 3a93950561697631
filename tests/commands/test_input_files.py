"""The files that a recipe names: found, known by their content, and missed with a remedy."""

import os
import re
from pathlib import Path

import pytest
from recipe_documents import HUB, REAL, recipe
from typer.testing import CliRunner

from harness.cli import app
from harness.commands.inputs import files_of
from harness.commands.places import Places, places_of
from harness.errors import BadInput
from harness.plan.draw import DataFile
from harness.store.keys import file_digest

LENGTH = {"kind": "length"}


def places(folder: Path) -> Places:
    return Places(folder / "r.toml", folder, folder, folder)


def found(folder: Path, **changes: object) -> dict[str, DataFile]:
    return files_of(recipe(REAL, **changes), places(folder))


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "pool.jsonl"
    file.write_text("{}\n")
    before = found(tmp_path)
    assert before == {"pool.jsonl": DataFile(file.resolve(), file_digest(file))}
    file.write_text("{} \n")
    assert found(tmp_path)["pool.jsonl"].sha256 != before["pool.jsonl"].sha256


def test_a_path_may_be_absolute(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.jsonl"
    file.write_text("{}\n")
    table = {"kind": "dataset", "path": str(file), "count": 4}
    assert found(tmp_path / "data", pool__prompts=table) == {str(file): DataFile(file, file_digest(file))}


def folder_of(tmp_path: Path) -> DataFile:
    return found(tmp_path, model={"kind": "hf", "name": "base"})["base"]


def test_a_folder_is_known_by_the_names_and_bytes_of_its_files(tmp_path: Path) -> None:
    """Wherever it lies, and whatever tools have left in hidden files."""
    (tmp_path / "pool.jsonl").write_text("{}\n")
    base = tmp_path / "base"
    (base / "part").mkdir(parents=True)
    (base / "config.json").write_text("{}")
    (base / "part" / "weights").write_text("1")
    before = folder_of(tmp_path)
    (base / ".cache").mkdir()
    (base / ".cache" / "fetched").write_text("today")
    (base / ".gitattributes").write_text("")
    assert folder_of(tmp_path) == before
    base.rename(tmp_path / "moved")
    base.symlink_to(tmp_path / "moved")
    assert folder_of(tmp_path) == DataFile(tmp_path / "moved", before.sha256)
    for change in (
        lambda: (base / "config.json").write_text("{ }"),
        lambda: (base / "part" / "weights").rename(base / "part" / "other"),
        lambda: (base / "more").write_text(""),
    ):
        last = folder_of(tmp_path).sha256
        change()
        assert folder_of(tmp_path).sha256 != last


def test_all_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    """The hub is a remedy only where a table can name it."""
    with pytest.raises(BadInput) as caught:
        found(
            tmp_path,
            model={"kind": "hf", "name": "base", "template": "chat.jinja"},
            evaluation__mt_bench={"questions": "q.jsonl", "judge": LENGTH},
        )
    start = f"{tmp_path / 'r.toml'}: "
    put = f" in {tmp_path}. Put it there, or set HARNESS_DATA to the folder that has it"
    assert caught.value.problems == (
        f"{start}pool.prompts.path: there is no file 'pool.jsonl'{put}; or give pool.prompts.revision, if "
        "the hub has it.",
        f"{start}model.name: there is no folder 'base'{put}; or give model.revision, if the hub has it.",
        f"{start}model.template: there is no file 'chat.jinja'{put}.",
        f"{start}evaluation.mt_bench.questions: there is no file 'q.jsonl'{put}.",
    )


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", ".", "x" * 5000, "a\0b"])
def test_only_a_file_is_read_as_one(tmp_path: Path, name: str) -> None:
    """A pipe would be waited for, a device has no end, and neither has a content that a key could hold."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match=r"pool\.prompts\.path: there is no file "):
        found(tmp_path, pool__prompts={"kind": "dataset", "path": name, "count": 1})


def test_a_folder_is_not_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.commands.task_files.MOST_FILES", 3)
    monkeypatch.setattr("harness.commands.inputs.MOST_FILES", 3)
    (tmp_path / "pool.jsonl").write_text("{}\n")
    (tmp_path / "base").mkdir()
    for number in range(3):
        (tmp_path / "base" / str(number)).write_text("")
    assert set(found(tmp_path, model={"kind": "hf", "name": "base"})) == {"pool.jsonl", "base"}
    (tmp_path / "base" / "more").write_text("")
    with pytest.raises(BadInput, match=r"model\.name: the folder 'base' holds more than 3 files"):
        found(tmp_path, model={"kind": "hf", "name": "base"})


CODED = """
title = "t"
baseline = "dpo"
[model]
kind = "random"
[pool]
prompts = { kind = "dataset", path = "pool.jsonl", count = 4 }
judge = { kind = "length" }
[budget]
responses = 8
[training]
steps = 1
learning_rate = 1e-3
[evaluation.alpaca_eval]
judge = { kind = "length" }
prompts = { kind = "held-out", count = 4 }
[evaluation.lm_eval]
tasks = ["own"]
include = "tasks"
[methods.dpo]
responses_per_prompt = 2
"""


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_task_files_that_name_code_are_refused_before_anything_runs(tmp_path: Path, command: str) -> None:
    """In every folder below, whatever else is in the file; not where the tag is only spoken of."""
    (tmp_path / "r.toml").write_text(CODED)
    (tmp_path / "data" / "tasks" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "pool.jsonl").write_text('{"prompt": "p"}\n')
    tasks = {
        "own.yaml": "task: own\nprocess_docs: !function code.call\n",
        "sub/more.yml": "- [1, !function 'code.call']\n---\n- {\n",
        "good.yaml": "task: good  # no !function\ndoc_to_text: 'a !function'\n",
        "data.bin": "process_docs: !function code.call\n",
    }
    for name, text in tasks.items():
        (tmp_path / "data" / "tasks" / name).write_text(text)
    with pytest.raises(BadInput) as caught:
        CliRunner().invoke(app, [command, str(tmp_path / "r.toml")], catch_exceptions=False)
    start = f"{tmp_path / 'r.toml'}: evaluation.lm_eval.include: {tmp_path / 'data' / 'tasks'}"
    rule = (
        "must not name code. Got '!function'. Write the task without it: nothing that a recipe brings is run."
    )
    assert caught.value.problems == (
        f"{start}/own.yaml: line 2: {rule}",
        f"{start}/sub/more.yml: line 1: {rule}",
        f"{start}/sub/more.yml: line 4: is no YAML that can be read: did not find expected node content. "
        "Mend it, or take it out of that folder.",
    )
    assert not (tmp_path / ".harness").exists()


def test_a_deep_task_file_is_searched_as_far_as_tasks_go(tmp_path: Path) -> None:
    """Of a million levels the parser would come to the end in hours."""
    (tmp_path / "data" / "tasks").mkdir(parents=True)
    for name, before in (("deep", 10), ("deeper", 1_000_000)):
        text = f"first: !function a.b\nlast: {'[' * before} !function a.b"
        (tmp_path / "data" / "tasks" / f"{name}.yaml").write_text(text)
    (tmp_path / "r.toml").write_text(CODED)
    with pytest.raises(BadInput) as caught:
        CliRunner().invoke(app, ["check", str(tmp_path / "r.toml")], catch_exceptions=False)
    assert [re.findall(r"(\w+)\.yaml: line (\d)", problem) for problem in caught.value.problems] == [
        [("deep", "1")], [("deep", "2")], [("deep", "3")], [("deeper", "1")], [("deeper", "2")],
    ]  # fmt: skip
    assert "deep.yaml: line 3: is no YAML" in caught.value.problems[2]
    assert "must not nest deeper than 100 levels." in caught.value.problems[4]


def test_a_disk_is_not_searched_for_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.commands.task_files.MOST_FILES", 3)
    monkeypatch.setattr("harness.commands.inputs.MOST_FILES", 3)
    (tmp_path / "data" / "tasks").mkdir(parents=True)
    (tmp_path / "data" / "pool.jsonl").write_text('{"prompt": "p"}\n')
    for number in range(4):
        (tmp_path / "data" / "tasks" / f"{number}.yaml").write_text("process_docs: !function code.call\n")
    for include in ("tasks", "x" * 5000):
        (tmp_path / "r.toml").write_text(CODED.replace('"tasks"', f'"{include}"'))
        assert CliRunner().invoke(app, ["check", str(tmp_path / "r.toml")]).exit_code == 0
    (tmp_path / "r.toml").write_text(CODED)
    with pytest.raises(BadInput, match=r"lm_eval\.include: the folder 'tasks' holds more than 3 files\."):
        CliRunner().invoke(app, ["plan", str(tmp_path / "r.toml")], catch_exceptions=False)


def test_what_the_hub_has_is_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "pool.jsonl").write_text("{}\n")
    assert set(found(tmp_path, model={"kind": "hf", **HUB})) == {"pool.jsonl"}


def test_data_lie_beside_the_recipes_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    assert places_of(tmp_path / "recipes" / "r.toml").data == tmp_path / "data"
    assert places_of(tmp_path / "r.toml").data == tmp_path / "data"
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "mine"))
    assert places_of(tmp_path / "recipes" / "r.toml").data == tmp_path / "mine"
