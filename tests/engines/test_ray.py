"""The Ray engine on a cluster of two workers on this machine."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is an extra: pip install 'harness[ray]'")

from harness.engines.base import Event, Outcome
from harness.engines.ray import Cluster, RayEngine
from harness.plan.task import Task
from harness.store.local import LocalStore

pytestmark = [
    pytest.mark.slow,
    # Ray's own, at its start and end
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def work(task: Task, root: Path, progress: Callable[[int, int], None]) -> bool:
    """Write the sum of the inputs and one, the process and its threads; `params` may ask for trouble."""
    store = LocalStore(root)
    inputs = [store.open(needed.stage, needed.key) for needed in task.inputs.values()]
    with store.claim(task.stage, task.key), store.create(task.identity) as draft:
        progress(1, 2)
        tries = len(list(draft.scratch.iterdir()))
        (draft.scratch / f"try-{tries}").touch()
        if task.params.get("raise"):
            raise ValueError("asked to fail")
        if tries < task.params.get("die", 0):
            (root / "pid").write_text(str(os.getpid()))
            time.sleep(60)
        total = 1 + sum(int((folder / "sum").read_text()) for folder in inputs)
        (draft.folder / "sum").write_text(str(total))
        (draft.folder / "threads").write_text(os.environ["OMP_NUM_THREADS"])
    return True


class Killer:
    """Takes the events; kills the worker of a task that says it will die, by its process id."""

    def __init__(self, root: Path) -> None:
        self.events, self.killed, self._root = list[Event](), 0, root

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        pid = self._root / "pid"
        if event.kind == "progress" and event.task.params.get("die") and not self.killed:
            for _ in range(100):
                if pid.exists() and pid.read_text():
                    break
                time.sleep(0.05)
            os.kill(int(pid.read_text()), signal.SIGKILL)
            pid.unlink()
            self.killed += 1


def needs(stage: str) -> dict[str, float]:
    return {"num_cpus": 1}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # so that a worker finds `work`
    store = LocalStore(tmp_path / "store")
    store.prepare()
    return store


def value(store: LocalStore, task: Task, name: str = "sum") -> str:
    return (LocalStore(store.root).open(task.stage, task.key) / name).read_text()


def test_a_lost_worker_a_failure_and_a_corrupt_input(store: LocalStore) -> None:
    """One cluster for all: base -> left, right (killed once) -> both: the sums are 1, 2, 2 and 5.

    Beside them, one that raises, once, and takes what needs it with it. Then again with the base changed on
    disk and both gone: the base is made again.
    """
    base = Task("base_model", {}, {})
    left, right = Task("prompts", {"n": 1}, {"a": base}), Task("prompts", {"die": 1}, {"a": base})
    both, bad = Task("pairs", {}, {"a": left, "b": right}), Task("prompts", {"raise": True}, {"a": base})
    lost = Task("pairs", {}, {"a": bad})
    killer = Killer(store.root)
    outcome = run(store, [base, left, right, both, bad, lost], killer)
    assert killer.killed == 1
    assert {task.key for task in outcome.done} == {task.key for task in (base, left, right, both)}
    ((failed, reason),) = outcome.failed.values()
    assert (failed.key, reason) == (bad.key, "ValueError: asked to fail")
    assert outcome.not_run == [lost]
    assert value(store, both) == "5"
    assert value(store, right, "threads") == "1"
    assert (store.folder("prompts", right.key) / "try-1").exists()  # it went on in the folder that was kept
    assert not (
        store.root / "partial" / "prompts" / bad.key / "try-1"
    ).exists()  # an error is not tried again
    for task in (base, left, right, both):
        kinds = [event.kind for event in killer.events if event.task.key == task.key]
        assert (kinds[0], kinds[-1], kinds.count("started")) == ("started", "finished", 1)

    (store.folder("base_model", base.key) / "sum").write_text("7")
    store.discard("prompts", left.key)
    again = run(store, [base, left, right, both], killer)
    assert {task.key for task in again.done} == {base.key, left.key}
    assert value(store, left) == "2"


def run(store: LocalStore, tasks: list[Task], report: Callable[[Event], None]) -> Outcome:
    return RayEngine(store, work, Cluster(None, 2), needs).run(tasks, report)
