"""Which stored results a run makes again although their keys are right."""

from pathlib import Path

import pytest
from recipe_documents import REAL, recipe

from harness.commands import run
from harness.commands.inputs import files_of
from harness.commands.output import make_output
from harness.commands.places import Places, places_of
from harness.commands.run import Run, missing_verdicts, outdated
from harness.commands.workers import Workers
from harness.engines.base import Outcome
from harness.errors import BadInput, StoreError, TaskFailed
from harness.models.random_model import Shape, make_random_model
from harness.plan.build import Plan
from harness.plan.draw import Draw
from harness.plan.model import base_task
from harness.plan.task import Task
from harness.stages.options import USUAL
from harness.stages.run import run_task
from harness.store.local import LocalStore

SMOKE = Path(__file__).parents[2] / "recipes" / "smoke.toml"


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


def test_without_a_key_nothing_is_asked_again_so_nothing_goes(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    task = Task("alpaca_eval", {}, {}, {"judge": {"key_env": "HARNESS_TEST_NO_SUCH_KEY"}})
    store.prepare()
    with store.create(task.identity) as draft:
        draft.missing = 3
    job = Run(places_of(tmp_path / "r.toml"), recipe(REAL), {}, Plan((), (task,)), store, USUAL)
    with pytest.raises(BadInput, match="HARNESS_TEST_NO_SUCH_KEY is not set"):
        run._forget(job, make_output(quiet=True))
    assert store.has(task.stage, task.key)


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


class Results:
    """Twelve results that a run makes where they lack, and reads; `sound`: whether the disk keeps them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.store, self.sound = LocalStore(folder / "store"), True
        self.tasks = tuple(Task("scores", {"at": at}, {}) for at in range(12))
        self.store.prepare()
        patch.setattr(run, "_run_plan", self.make)
        patch.setattr(run, "_records", self.read)
        plan, places = Plan((), self.tasks), places_of(folder / "r.toml")
        self.job = Run(places, recipe(REAL), {}, plan, self.store, USUAL)

    def make(self, *_: object) -> Outcome:
        outcome = Outcome()
        for task in self.tasks:
            if not self.store.has(task.stage, task.key):
                with self.store.create(task.identity) as draft:
                    (draft.folder / "file").write_text("whole")
                outcome.done.append(task)
                if not self.sound:
                    self.damage(task)
        return outcome

    def damage(self, task: Task) -> None:
        (self.store.folder(task.stage, task.key) / "file").write_text("whale")

    def read(self, *_: object) -> list[Path]:
        return [self.store.open(task.stage, task.key) for task in self.tasks]

    def collect(self) -> None:
        run._run_and_collect(self.job, Workers(1), make_output(quiet=True))


def test_however_many_results_are_damaged_one_run_makes_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results(tmp_path, monkeypatch)
    results.make()
    for task in results.tasks:
        results.damage(task)
    results.collect()
    assert len(results.read()) == 12


def test_a_disk_that_keeps_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = Results(tmp_path, monkeypatch)
    results.sound = False
    with pytest.raises(TaskFailed, match=r"results keep changing under us\. Is the disk sound\?"):
        results.collect()


def test_a_store_is_in_use_until_the_records_that_rest_on_it_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or `gc` could delete what a board is about to need."""
    written = []

    def write(job: Run, *_: object) -> None:
        with pytest.raises(StoreError, match="a run is at work on this store"), job.store.in_use(alone=True):
            written.append("another has it")
        written.append("board")

    monkeypatch.setattr(run, "_run_and_collect", lambda *_: (Outcome(), ["a record"]))
    monkeypatch.setattr(run, "_write_board", write)
    run.run(places_of(SMOKE, tmp_path, tmp_path), Workers(1), make_output(quiet=True))
    assert written == ["board"]
