"""The local engine against real worker processes doing small work."""

import inspect
import json
import multiprocessing
import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.engines.base import Event
from harness.engines.local import LocalEngine
from harness.plan.task import Task
from harness.store.keys import digest
from harness.store.local import LocalStore
from harness.store.manifest import NAME


def work(task: Task, root: Path, progress: Callable[[int, int], None]) -> bool:
    """Write the sum of the inputs and one; `params` may ask for trouble."""
    store = LocalStore(root)
    with store.claim(task.stage, task.key):
        if store.has(task.stage, task.key):
            return False
        add(task, store, progress)
    return True


def add(task: Task, store: LocalStore, progress: Callable[[int, int], None]) -> None:
    inputs = [store.open(needed.stage, needed.key) for needed in task.inputs.values()]
    progress(1, 2)
    if task.params.get("raise"):
        raise ValueError("asked to fail")
    if task.params.get("cut"):
        pipe = inspect.getclosurevars(progress).nonlocals["pipe"]
        os.write(pipe.fileno(), struct.pack("!i", 100) + b"of 100 bytes these")
    if task.params.get("die") or task.params.get("cut"):
        os.kill(os.getpid(), signal.SIGKILL)
    with store.create(task.identity) as draft:
        total = 1 + sum(int((folder / "sum").read_text()) for folder in inputs)
        (draft.folder / "sum").write_text(str(total))


def chain() -> list[Task]:
    """One base -> left and right -> both: the sums are 1, 2, 2 and 5."""
    base = Task("base_model", {}, {})
    left, right = Task("prompts", {"n": 1}, {"a": base}), Task("prompts", {"n": 2}, {"a": base})
    return [base, left, right, Task("pairs", {}, {"a": left, "b": right})]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path)
    store.prepare()
    return store


def value(store: LocalStore, task: Task) -> int:
    return int((LocalStore(store.root).open(task.stage, task.key) / "sum").read_text())


@pytest.mark.parametrize("jobs", [1, 2])
def test_runs_in_dependency_order_and_only_once(store: LocalStore, jobs: int) -> None:
    tasks, events = chain(), list[Event]()
    outcome = LocalEngine(store, work, jobs).run(tasks, events.append)
    assert value(store, tasks[-1]) == 5
    assert len(outcome.done) == 4
    kinds = [event.kind for event in events if event.task is tasks[0]]
    assert kinds == ["started", "progress", "finished"]
    again = LocalEngine(store, work, jobs).run(tasks, events.append)
    assert (len(again.done), len(again.stored)) == (0, 4)


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [("raise", "ValueError: asked to fail"), ("die", "SIGKILL"), ("cut", "SIGKILL")],
)
def test_a_failure_stops_only_what_depends_on_it(store: LocalStore, trouble: str, reason: str) -> None:
    base, left, _, _ = chain()
    bad = Task("prompts", {trouble: True}, {"a": base})
    lost = Task("pairs", {}, {"a": left, "b": bad})
    outcome = LocalEngine(store, work, 2).run([base, bad, left, lost], lambda event: None)
    assert {task.key for task in outcome.done} == {base.key, left.key}
    ((failed, why),) = outcome.failed.values()
    assert failed is bad
    assert reason in why
    assert outcome.not_run == [lost]


def test_a_worker_that_dies_idle_is_replaced(store: LocalStore) -> None:
    """Both do, as one has done the base and the other waited for it."""
    tasks = chain()

    def kill(event: Event) -> None:
        if (event.kind, event.task) == ("finished", tasks[0]):
            for worker in multiprocessing.active_children():
                worker.kill()
                worker.join()

    outcome = LocalEngine(store, work, 2).run(tasks, kill)
    assert (len(outcome.done), outcome.failed) == (4, {})
    assert value(store, tasks[-1]) == 5


def test_a_corrupt_input_that_two_workers_read_is_made_again_once(store: LocalStore) -> None:
    """Both users of the base complain, one of them late, about a copy that is being replaced."""
    tasks, events = chain(), list[Event]()
    LocalEngine(store, work, 2).run(tasks[:1], events.append)
    (store.folder("base_model", tasks[0].key) / "sum").write_text("7")
    events.clear()
    outcome = LocalEngine(store, work, 2).run(tasks, events.append)
    assert outcome.failed == {}
    assert value(store, tasks[-1]) == 5
    assert sorted(task.stage for task in outcome.done) == ["base_model", "pairs", "prompts", "prompts"]
    assert sum(event.made_again for event in events) == 1
    assert all(event.task.stage == "prompts" for event in events if event.kind == "redo")


@pytest.mark.parametrize("content", ['{"a"', ""])
def test_a_torn_manifest_is_made_again(store: LocalStore, content: str) -> None:
    """As after a loss of power."""
    tasks = chain()
    LocalEngine(store, work, 1).run(tasks[:1], lambda event: None)
    (store.folder("base_model", tasks[0].key) / "manifest.json").write_text(content)
    outcome = LocalEngine(store, work, 2).run(tasks, lambda event: None)
    assert outcome.failed == {}
    assert value(store, tasks[-1]) == 5


def test_an_input_that_cannot_be_read_is_made_again(store: LocalStore) -> None:
    """A link to itself, which the system refuses to follow for anybody, stands for a bad sector."""
    tasks, events = chain(), list[Event]()
    LocalEngine(store, work, 1).run(tasks[:1], events.append)
    path = store.folder("base_model", tasks[0].key) / "sum"
    path.unlink()
    path.symlink_to(path)
    outcome = LocalEngine(store, work, 2).run(tasks, events.append)
    assert outcome.failed == {}
    assert value(store, tasks[-1]) == 5
    first = next(event for event in events if event.kind == "redo")
    assert "cannot be read" in first.reason
    assert first.made_again


def test_an_input_of_a_newer_program_fails_its_user_alone(store: LocalStore) -> None:
    """Its worker lives on to say so, and the input stays."""
    base, left, _, _ = chain()
    free = Task("prompts", {"n": 3}, {})
    LocalEngine(store, work, 1).run([base], lambda event: None)
    path = store.folder("base_model", base.key) / NAME
    content = json.loads(path.read_text()) | {"schema_version": 2}
    del content["digest"]
    path.write_text(json.dumps(content | {"digest": digest(content)}))
    outcome = LocalEngine(store, work, 1).run([base, left, free], lambda event: None)
    ((_, reason),) = outcome.failed.values()
    assert "schema_version is 2, this program reads up to 1" in reason
    assert outcome.done == [free]
    assert store.has("base_model", base.key)


def test_a_corrupt_input_is_made_again(store: LocalStore) -> None:
    tasks, events = chain(), list[Event]()
    LocalEngine(store, work, 1).run(tasks[:3], events.append)
    (store.folder("prompts", tasks[1].key) / "sum").write_text("7")
    outcome = LocalEngine(store, work, 1).run(tasks, events.append)
    assert value(store, tasks[-1]) == 5
    assert {task.key for task in outcome.done} == {tasks[1].key, tasks[3].key}
    (redo,) = [event for event in events if event.kind == "redo"]
    assert "does not match its digest" in redo.reason


def test_a_task_all_of_whose_inputs_are_corrupt_has_each_made_again(store: LocalStore) -> None:
    """They are found one after the other, as a task stops at the first."""
    inputs = [Task("prompts", {"n": n}, {}) for n in range(5)]
    tasks = [*inputs, Task("pairs", {}, {str(n): task for n, task in enumerate(inputs)})]
    LocalEngine(store, work, 1).run(inputs, lambda event: None)
    for task in inputs:
        (store.folder("prompts", task.key) / "sum").write_text("7")
    outcome = LocalEngine(store, work, 1).run(tasks, lambda event: None)
    assert outcome.failed == {}
    assert value(store, tasks[-1]) == 6
