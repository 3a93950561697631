"""Which stored results a run makes again although their keys are right."""

from pathlib import Path

from recipe_documents import REAL, recipe

from harness.commands.inputs import files_of
from harness.commands.places import Places
from harness.commands.run import missing_verdicts, outdated
from harness.models.random_model import Shape, make_random_model
from harness.plan.build import Plan
from harness.plan.draw import Draw
from harness.plan.model import base_task
from harness.plan.task import Task
from harness.stages.run import run_task
from harness.store.local import LocalStore


def pointer(folder: Path) -> Task:
    """The task of a model that lies in the folder."""
    found = recipe(REAL, model={"kind": "hf", "name": "base"})
    files = files_of(found, Places(folder / "r.toml", folder, folder, folder))
    return base_task(Draw(found, 0, files))


def test_a_model_that_has_moved_is_pointed_to_anew(tmp_path: Path) -> None:
    """Its key is that of its content, so all that was made with it stays."""
    here, there, store = tmp_path / "here", tmp_path / "there", LocalStore(tmp_path / "store")
    make_random_model(here / "base", Shape(hidden=16, layers=1))
    (here / "pool.jsonl").write_text("{}\n")
    store.prepare()
    before = pointer(here)
    run_task(before, tmp_path / "store", lambda *_: None)
    assert outdated(before, store) == ""
    here.rename(there)
    after = pointer(there)
    assert after.key == before.key
    assert outdated(after, store) == f"the model has moved to {there / 'base'}"
    store.discard(after.stage, after.key)
    run_task(after, tmp_path / "store", lambda *_: None)
    assert outdated(after, store) == ""


def test_results_that_lack_verdicts_are_asked_for_again(tmp_path: Path) -> None:
    store, task = LocalStore(tmp_path), Task("alpaca_eval", {}, {})
    store.prepare()
    for missing, reason in ((0, ""), (3, "asking again for 3 verdicts")):
        with store.create(task.identity) as draft:
            draft.missing = missing
        assert outdated(task, store) == reason
        store.discard(task.stage, task.key)


def test_a_run_says_how_to_get_verdicts_that_are_missing(tmp_path: Path) -> None:
    tasks = tuple(Task("head_to_head" if at else "alpaca_eval", {"at": at}, {}) for at in range(3))
    store = LocalStore(tmp_path)
    store.prepare()
    plan = Plan((), tasks)
    assert list(missing_verdicts(plan, store)) == []
    for task, missing in zip(tasks, (0, 1, 1200), strict=True):
        with store.create(task.identity) as draft:
            draft.missing = missing
    (line,) = missing_verdicts(plan, store)
    assert line.startswith("verdicts missing: 1,201 in head_to_head. The same command asks for them again")
