"""The Ray engine on two machines of one worker each, which are processes here, and on its own cluster."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("ray", reason="Ray is an extra: pip install 'harness[ray]'")

from ray.cluster_utils import Cluster as Machines
from ray.exceptions import RayError

from harness.engines.base import Event, Outcome
from harness.engines.ray import Cluster, RayEngine
from harness.errors import BadInput, StoreError
from harness.plan.task import Task
from harness.store.local import LocalStore

pytestmark = [
    pytest.mark.slow,
    # Ray's own, at its start and end
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

MACHINE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


def work(task: Task, root: Path, progress: Callable[[int, int], None]) -> bool:
    """Write the sum of the inputs and one, and the threads; `params` may ask for trouble."""
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
            time.sleep(600)
        total = 1 + sum(int((folder / "sum").read_text()) for folder in inputs)
        (draft.folder / "sum").write_text(str(total))
        (draft.folder / "threads").write_text(os.environ["OMP_NUM_THREADS"])
    return True


class Killer:
    """Takes the events; once, when a task that says it will die is at work, does something to it."""

    def __init__(self, root: Path, kill: Callable[[int], None]) -> None:
        self.events, self.killed, self._pid, self._kill = list[Event](), 0, root / "pid", kill

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if event.kind == "progress" and event.task.params.get("die") and not self.killed:
            self.killed = _read(self._pid)
            self._kill(self.killed)

    def kinds(self, task: Task) -> list[str]:
        return [event.kind for event in self.events if event.task.key == task.key]


def _read(path: Path) -> int:
    for _ in range(2400):
        if path.exists() and (text := path.read_text()):
            return int(text)
        time.sleep(0.05)
    raise TimeoutError(path)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def needs(stage: str) -> dict[str, float]:
    return {"num_cpus": 1}


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two machines of one worker each; workers find this file's `work`."""
    usual, path = os.environ.get("PYTHONPATH"), str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (path, usual)))
    folder = tempfile.mkdtemp(prefix="rt-", dir="/tmp")  # short, for sockets
    machines = Machines(True, head_node_args={"temp_dir": folder, "include_dashboard": False, **MACHINE})
    machines.add_node(**MACHINE)
    yield machines
    machines.shutdown()
    shutil.rmtree(folder, ignore_errors=True)
    if usual is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = usual


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "store")
    store.prepare()
    return store


def value(store: LocalStore, task: Task, name: str = "sum") -> str:
    return (LocalStore(store.root).open(task.stage, task.key) / name).read_text()


def run(store: LocalStore, tasks: list[Task], cluster: Cluster, report: Callable[[Event], None]) -> Outcome:
    return RayEngine(store, work, cluster, needs).run(tasks, report)


def test_a_lost_worker_a_failure_and_a_corrupt_input(store: LocalStore, machines: Machines) -> None:
    """The base, left and right (killed once), and both: the sums are 1, 2, 2 and 5.

    Beside them, one that raises, once, and takes what needs it with it. Then again with the base changed on
    disk and left gone: the base is made again.
    """
    cluster = Cluster(machines.address, 2)
    base = Task("base_model", {}, {})
    left, right = Task("prompts", {"n": 1}, {"a": base}), Task("prompts", {"die": 1}, {"a": base})
    both, bad = Task("pairs", {}, {"a": left, "b": right}), Task("prompts", {"raise": True}, {"a": base})
    lost = Task("pairs", {}, {"a": bad})
    killer = Killer(store.root, kill)
    outcome = run(store, [base, left, right, both, bad, lost], cluster, killer)
    assert killer.killed
    assert {task.key for task in outcome.done} == {task.key for task in (base, left, right, both)}
    ((failed, reason),) = outcome.failed.values()
    assert (failed.key, reason) == (bad.key, "ValueError: asked to fail")
    assert outcome.not_run == [lost]
    assert value(store, both) == "5"
    assert value(store, right, "threads") == "1"
    assert (store.folder("prompts", right.key) / "try-1").exists()  # it went on in the folder that was kept
    again = store.root / "partial" / "prompts" / bad.key / "try-1"
    assert not again.exists()  # an error is not tried again
    for task in (base, left, right, both):
        kinds = killer.kinds(task)
        assert (kinds[0], kinds[-1], kinds.count("started")) == ("started", "finished", 1)

    (store.folder("base_model", base.key) / "sum").write_text("7")
    store.discard("prompts", left.key)
    second = run(store, [base, left, right, both], cluster, killer)
    assert {task.key for task in second.done} == {base.key, left.key}
    assert value(store, left) == "2"


def test_a_task_that_another_run_has_begun_waits_for_it(store: LocalStore, machines: Machines) -> None:
    """The other run holds the claim before a worker looks, and lets it go, done, when the first is reported:
    the worker of this one does `free` meanwhile, and then finds the other's.
    """
    taken, free = Task("prompts", {"n": 1}, {}), Task("prompts", {"n": 2}, {})
    other = store.claim(taken.stage, taken.key)
    other.__enter__()
    events: list[Event] = []

    def report(event: Event) -> None:
        events.append(event)
        if (event.kind, event.task.key) == ("finished", free.key):
            with store.create(taken.identity) as draft:
                (draft.folder / "sum").write_text("1")
            other.__exit__(None, None, None)

    engine = RayEngine(store, found_or_work, Cluster(machines.address, 2), needs)
    outcome = engine.run([taken, free], report)
    assert [task.key for task in outcome.done] == [free.key]
    assert set(outcome.stored) == {taken.key}
    assert [event.kind for event in events if event.task.key == taken.key] == ["started", "found"]


def found_or_work(task: Task, root: Path, progress: Callable[[int, int], None]) -> bool:
    return not LocalStore(root).has(task.stage, task.key) and work(task, root, progress)


@pytest.mark.parametrize(("gpus", "processes"), [((0.0, 0.0), 1), ((0.0, 0.5), 2), ((0.5, 0.5), 2)])
def test_a_task_that_takes_a_gpu_has_a_process_of_its_own(
    store: LocalStore, machines: Machines, gpus: tuple[float, float], processes: int
) -> None:
    """One that has worked would stay on the GPU that it had seen first.

    The tasks follow each other, on the one machine that is for them.
    """
    only = machines.add_node(num_gpus=1, resources={"here": 1}, **MACHINE)
    first = Task("prompts", {}, {})
    tasks = [first, Task("pairs", {}, {"a": first})]
    wanted: dict[str, Any] = {
        task.stage: {"num_cpus": 1, "num_gpus": part, "resources": {"here": 1}}
        for task, part in zip(tasks, gpus, strict=True)
    }
    engine = RayEngine(store, who_works, Cluster(machines.address, 1), wanted.__getitem__)
    outcome = engine.run(tasks, lambda event: None)
    machines.remove_node(only)
    assert len(outcome.done) == 2
    assert len({value(store, task, "pid") for task in tasks}) == processes


def who_works(task: Task, root: Path, progress: Callable[[int, int], None]) -> bool:
    store = LocalStore(root)
    with store.claim(task.stage, task.key), store.create(task.identity) as draft:
        (draft.folder / "pid").write_text(str(os.getpid()))
    return True


def test_a_lost_machine(store: LocalStore, machines: Machines) -> None:
    """A third machine, the only one with a GPU, goes while it works; its tasks go on at the fourth."""
    first = machines.add_node(num_gpus=1, **MACHINE)

    def lose(pid: int) -> None:
        machines.add_node(num_gpus=1, **MACHINE)
        machines.remove_node(first, allow_graceful=False)

    killer = Killer(store.root, lose)
    task = Task("prompts", {"die": 1}, {})
    engine = RayEngine(store, work, Cluster(machines.address, 1), lambda stage: {"num_gpus": 1})
    outcome = engine.run([task], killer)
    assert killer.killed
    assert [done.key for done in outcome.done] == [task.key]
    assert (store.folder("prompts", task.key) / "try-1").exists()


def test_no_cluster_at_the_address(store: LocalStore) -> None:
    with pytest.raises(StoreError, match=r"--address: no Ray cluster answers at '127\.0\.0\.1:1'"):
        run(store, [Task("prompts", {}, {})], Cluster("127.0.0.1:1", 1), lambda event: None)


@pytest.mark.parametrize("error", [ConnectionError("refused"), RayError("no token\nSee ...")])
def test_a_cluster_that_asks_for_a_token(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """`ray start` does where a run with a cluster of its own has left one in ~/.ray; Ray then says no more
    than that nobody is there, or, where the token is not here, so at length.
    """

    def refuse(**_: Any) -> None:
        raise error

    monkeypatch.setattr("ray.init", refuse)
    with socket.create_server(("127.0.0.1", 0)) as there:
        address = f"127.0.0.1:{there.getsockname()[1]}"
        with pytest.raises(StoreError) as caught:
            run(store, [Task("prompts", {}, {})], Cluster(address, 1), lambda event: None)
    assert f"no Ray cluster answers at '{address}': " in str(caught.value)
    assert str(caught.value).endswith("give it here, too, and set RAY_AUTH_MODE=token.")
    assert "\n" not in str(caught.value)


def test_a_cluster_of_its_own_that_is_too_small(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it cannot give is refused, and no file is left. `tests/test_ray_board.py` runs one."""
    folder = tempfile.mkdtemp(prefix="rt-", dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    engine = RayEngine(store, work, Cluster(None, 2), lambda stage: {"num_cpus": 3})
    with pytest.raises(BadInput, match=r"of 'prompts' takes 3 CPU, and the cluster of --jobs here has 2\."):
        engine.run([Task("prompts", {}, {})], lambda event: None)
    Path(folder).rmdir()  # which it refuses of a folder that is not empty


RUN = """
import sys
from pathlib import Path
from test_ray import Cluster, LocalStore, Task, run
run(LocalStore(Path(sys.argv[1])), [Task("prompts", {"die": 1}, {})], Cluster(sys.argv[2], 2), print)
"""


def test_a_run_whose_first_process_is_killed(store: LocalStore, machines: Machines) -> None:
    """Its worker goes with it, and the next run goes on from what that had written."""
    task = Task("prompts", {"die": 1}, {})
    with subprocess.Popen([sys.executable, "-c", RUN, str(store.root), machines.address]) as first:
        worker = psutil.Process(_read(store.root / "pid"))
        first.kill()
    outcome = run(store, [task], Cluster(machines.address, 2), lambda event: None)
    assert [done.key for done in outcome.done] == [task.key]
    assert (store.folder("prompts", task.key) / "try-1").exists()
    assert psutil.wait_procs([worker], timeout=60)[1] == []
