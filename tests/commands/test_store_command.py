"""`harness store`, on a small store beside a board that rests on part of it."""

import contextlib
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.store import list_
from harness.errors import HarnessError
from harness.plan.build import build_plan
from harness.plan.shards import in_shards
from harness.plan.task import Task
from harness.recipe.load import load_recipe
from harness.store.cores import on_all_cores
from harness.store.keys import digest
from harness.store.local import LocalStore

ROOT = Path(__file__).parents[2]
BASE = Task("base_model", {}, {})
PROMPTS = Task("prompts", {"title": "\x1b[31m=red"}, {"base": BASE})
PAIRS = Task("pairs", {}, {"prompts": PROMPTS})
OTHER = Task("prompts", {"n": 2}, {"base": BASE})


def make(store: LocalStore, task: Task, size: int = 100) -> Path:
    with store.claim(task.stage, task.key), store.create(task.identity) as draft:
        (draft.folder / "one").write_bytes(bytes(size))
        (draft.folder / "sub").mkdir()
        (draft.folder / "sub" / "two").write_bytes(b"two")
    return store.folder(task.stage, task.key)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A store of a chain of three and one more; the record of `mine` needs the end of the chain."""
    store = LocalStore(tmp_path / ".harness")
    store.prepare()
    for task in (BASE, PROMPTS, PAIRS, OTHER):
        make(store, task)
    records = tmp_path / "leaderboards" / "mine" / "records"
    records.mkdir(parents=True)
    (records / "dpo.0.json").write_text(json.dumps({"recipe": "mine", "tasks": [{"key": PAIRS.key}]}))
    return tmp_path


def copied_recipe(project: Path) -> Path:
    """A recipe in the project; the store holds nothing of it."""
    (project / "recipes").mkdir()
    return Path(shutil.copy(ROOT / "recipes" / "smoke.toml", project / "recipes"))


def run(project: Path, *words: str, code: int = 0) -> str:
    """What the command says in the project's folder, on stdout and stderr."""
    with contextlib.chdir(project):
        done = CliRunner().invoke(app, ["store", *words])
    error = done.exception if isinstance(done.exception, HarnessError) else None
    assert (error.exit_code if error else done.exit_code) == code, done.output
    return done.output + (str(error) if error else "")


def there(project: Path) -> set[str]:
    return {path.parent.name for path in (project / ".harness").glob("*/*/manifest.json")}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def write_newer(manifest: Path) -> None:
    """As a later program would write it."""
    content = json.loads(manifest.read_text())
    del content["digest"]
    content["schema_version"] = 2
    manifest.write_text(json.dumps(content | {"digest": digest(content)}))


def test_list_and_size(project: Path) -> None:
    """100 bytes, 3 bytes and a manifest each."""
    lines = run(project, "list").splitlines()
    assert [line.split()[0] for line in lines] == [
        f"base_model/{BASE.key}",
        *sorted(f"prompts/{task.key}" for task in (PROMPTS, OTHER)),
        f"pairs/{PAIRS.key}",
    ]
    assert {line.split()[0]: line.split()[-1] for line in lines}[f"pairs/{PAIRS.key}"] == "mine"
    sizes = {line.split()[0]: line.split()[1:] for line in run(project, "size").splitlines()}
    total = sum(p.stat().st_size for p in (project / ".harness").glob("prompts/*/**/*") if p.is_file())
    assert sizes["prompts"] == ["2", f"{total / 1000:.1f}", "kB"]
    assert sizes["all"][0] == "4"


def test_list_and_size_as_json(project: Path) -> None:
    """One folder beside the stages holds 5 bytes."""
    (project / ".harness" / "mine").mkdir()
    (project / ".harness" / "mine" / "notes").write_text("notes")
    listed = {one["key"]: one for one in map(json.loads, run(project, "list", "--json").splitlines())}
    assert set(listed) == {task.key for task in (BASE, PROMPTS, PAIRS, OTHER)}
    manifest = project / ".harness" / "pairs" / PAIRS.key / "manifest.json"
    facts, held = manifest.stat(), 103 + manifest.stat().st_size
    one = {"stage": "pairs", "key": PAIRS.key, "bytes": held, "made": facts.st_mtime, "boards": ["mine"]}
    assert listed[PAIRS.key] == one
    assert listed[OTHER.key]["boards"] == []
    size = json.loads(run(project, "size", "--json"))
    assert size["stages"]["pairs"] == {"artifacts": 1, "bytes": held}
    assert (size["artifacts"], size["others"]["mine"]) == (4, 5)
    assert size["bytes"] == sum(one["bytes"] for one in listed.values()) + sum(size["others"].values())


def test_show(project: Path) -> None:
    shown = run(project, "show", PROMPTS.key[:9])
    assert "\x1b" not in shown
    content: dict[str, Any] = json.loads(shown)
    assert content["artifact"] == f"prompts/{PROMPTS.key}"
    assert content["inputs"] == {"base": f"base_model/{BASE.key}"}
    assert content["needed by"] == [f"pairs/{PAIRS.key}"]
    assert json.loads(run(project, "show", f"pairs/{PAIRS.key}"))["on the boards of"] == ["mine"]
    assert "0 artifacts of a key that begins with 'zz'" in run(project, "show", "zz", code=2)
    assert "2 artifacts of a key" in run(project, "show", "prompts/", code=2)


def test_verify_names_each_bad_file_and_takes_them_out_when_asked(project: Path) -> None:
    store = project / ".harness"
    assert "4 artifacts: every file is what was written" in run(project, "verify")
    flip(store / "prompts" / PROMPTS.key / "one")
    flip(store / "prompts" / PROMPTS.key / "sub" / "two")
    (store / "pairs" / PAIRS.key / "more").write_text("")
    flip(store / "prompts" / OTHER.key / "manifest.json")
    said = run(project, "verify", code=1)
    for task, what in (
        (PROMPTS, "one does not match its digest"),
        (PROMPTS, "sub/two does not match its digest"),
        (PAIRS, "more is not in the manifest"),
        (OTHER, "manifest.json"),
    ):
        assert f"{task.stage}/{task.key}: {what}" in said
    assert "3 artifacts damaged" in said
    assert len(there(project)) == 4
    assert "taken out" in run(project, "verify", "--discard", code=1)
    assert there(project) == {BASE.key}
    run(project, "verify")


def test_verify_leaves_what_was_made_again_since_it_was_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two damaged artifacts another process makes one anew before the first of them is taken out."""

    @contextlib.contextmanager
    def looking_then_making(look: Callable[..., Any], names: Sequence[Any]) -> Iterator[Iterable[Any]]:
        with on_all_cores(look, names) as found:
            yield found
        store = LocalStore(project / ".harness")
        store.discard(PROMPTS.stage, PROMPTS.key)
        make(store, PROMPTS)

    monkeypatch.setattr("harness.commands.store.on_all_cores", looking_then_making)
    for task in (PROMPTS, PAIRS):
        flip(project / ".harness" / task.stage / task.key / "one")
    run(project, "verify", "--discard", code=1)
    assert there(project) == {BASE.key, PROMPTS.key, OTHER.key}


@pytest.fixture
def on_two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process for each two of the four artifacts, as in a large store for each 5,000."""
    monkeypatch.setattr("harness.store.cores.EACH", 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def test_all_cores_list_and_show_the_same(project: Path, request: pytest.FixtureRequest) -> None:
    commands = (["list", "--json"], ["size"], ["show", PROMPTS.key], ["gc"])
    by_one = [run(project, *words) for words in commands]
    request.getfixturevalue("on_two_cores")
    assert [run(project, *words) for words in commands] == by_one
    assert json.loads(by_one[2])["needed by"] == [f"pairs/{PAIRS.key}"]


@pytest.mark.usefixtures("on_two_cores")
def test_verify_on_all_cores_says_the_same(project: Path) -> None:
    (project / ".harness" / "prompts" / "torn").mkdir()  # a removal that did not end: no artifact
    assert "4 artifacts: every file is what was written" in run(project, "verify")
    flip(project / ".harness" / "prompts" / PROMPTS.key / "one")
    flip(project / ".harness" / "prompts" / OTHER.key / "manifest.json")
    said = run(project, "verify", code=1)
    assert f"prompts/{PROMPTS.key}: one does not match its digest" in said
    assert f"prompts/{OTHER.key}: manifest.json" in said
    write_newer(project / ".harness" / "pairs" / PAIRS.key / "manifest.json")
    assert "schema_version is 2" in run(project, "verify", code=2)


def test_gc_keeps_what_boards_rest_on(project: Path) -> None:
    """The chain is needed to its beginning, by the record of its end; the other goes, when told twice."""
    litter = project / ".harness" / "scratch" / "pairs" / "dead"
    litter.mkdir(parents=True)
    said = run(project, "gc")
    assert f"prompts/{OTHER.key}" in said
    assert "1 artifact, " in said
    assert "would be deleted; --yes deletes. 3 artifacts kept." in said
    assert len(there(project)) == 4
    run(project, "gc", "--yes")
    assert there(project) == {BASE.key, PROMPTS.key, PAIRS.key}
    assert not litter.exists()
    run(project, "gc", "--yes", "--force")
    assert there(project) == set()


def test_gc_needs_to_know_what_is_needed(project: Path) -> None:
    (project / "empty").mkdir()
    assert "holds no records, and no recipe is given" in run(project, "gc", "--boards", "empty", code=2)
    (project / "leaderboards" / "mine" / "records" / "torn.0.json").write_text("{")
    assert "torn.0.json: is not a record" in run(project, "gc", "--yes", code=2)
    assert len(there(project)) == 4


def test_gc_keeps_what_boards_beside_its_recipes_rest_on(project: Path) -> None:
    """Called from a folder without boards, and from one with boards of another project."""
    recipe = copied_recipe(project)
    for place in ("elsewhere", "another/leaderboards"):
        (project / place).mkdir(parents=True)
    for folder in ("elsewhere", "another"):
        words = ["gc", str(recipe), "--store", str(project / ".harness"), "--yes"]
        run(project / folder, *words)
        assert there(project) == {BASE.key, PROMPTS.key, PAIRS.key}


def test_gc_wants_a_folder_of_boards_that_is_not_there(project: Path) -> None:
    """Mistyped, moved away, or of a recipe that was run with --boards."""
    copied_recipe(project)
    missing = "there is no such folder of boards"
    assert f"no: {missing}" in run(project, "gc", "recipes/smoke.toml", "--boards", "no", "--yes", code=2)
    (project / "leaderboards").rename(project / "moved")
    assert f"leaderboards: {missing}" in run(project, "gc", "recipes/smoke.toml", "--yes", code=2)
    assert f"leaderboards: {missing}" in run(project, "gc", "--yes", code=2)
    assert len(there(project)) == 4
    run(project, "gc", "recipes/smoke.toml", "--boards", "moved", "--yes")
    assert there(project) == {BASE.key, PROMPTS.key, PAIRS.key}
    run(project, "gc", "recipes/smoke.toml", "--yes", "--force")
    assert there(project) == set()


def test_gc_keeps_the_finished_shards_of_a_recipe(project: Path) -> None:
    """The task that they are parts of is not there yet, so no manifest names them."""
    path = project / "recipes" / "cut.toml"
    path.parent.mkdir()
    path.write_text((ROOT / "recipes" / "smoke.toml").read_text() + "[resources.responses]\nshards = 2\n")
    recipe = load_recipe(path)
    tasks = in_shards(build_plan(recipe).tasks, recipe.resources, set())
    shard = next(part for task in tasks for part in task.parts)
    make(LocalStore(project / ".harness"), shard)
    run(project, "gc", "recipes/cut.toml", "--yes")
    assert shard.key in there(project)


def test_gc_does_not_run_beside_a_run(project: Path) -> None:
    with LocalStore(project / ".harness").in_use():
        assert "a run is at work on this store" in run(project, "gc", "--yes", code=2)


@pytest.mark.parametrize("words", [["list"], ["show", "a"], ["verify"], ["gc"], ["size"]], ids=lambda w: w[0])
def test_where_there_is_no_store_it_is_said(words: list[str], tmp_path: Path) -> None:
    assert "there is no store" in run(tmp_path, *words, code=2)
    assert not list(tmp_path.iterdir())


def test_what_a_newer_program_wrote_is_refused_and_stays(project: Path) -> None:
    write_newer(project / ".harness" / "pairs" / PAIRS.key / "manifest.json")
    for words in (["verify", "--discard"], ["show", PAIRS.key], ["gc", "--yes"]):
        assert "schema_version is 2, this program reads up to 1. Update harness" in run(
            project, *words, code=2
        )
    assert len(there(project)) == 4


def test_a_large_store_is_listed_without_reading_a_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.commands.store import list_store

    def refuse(*_: Any) -> None:
        raise AssertionError("a file of the store was read")

    monkeypatch.setattr("harness.store.local.read_manifest", refuse)
    monkeypatch.setattr("harness.store.manifest.file_facts", refuse)
    assert len(list(list_store(project / ".harness", project / "leaderboards"))) == 4


def test_lines_are_not_written_one_by_one_where_python_is_unbuffered(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PYTHONUNBUFFERED, which containers set, makes the output."""
    writes: list[bytes] = []

    class Raw(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, content: Any) -> int:
            writes.append(bytes(content))
            return len(content)

    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(Raw(), write_through=True))  # type: ignore[type-var]
    list_(project / ".harness", project / "leaderboards")
    sys.stdout.flush()
    assert [content.count(b"\n") for content in writes] == [4]
