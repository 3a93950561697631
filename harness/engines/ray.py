"""The Ray engine: the same tasks and the same schedule, done by the workers of a cluster.

The store is on a file system that all of its machines see, and it alone knows what has been done: a worker
or a machine that is lost costs the piece it was at, and a run that is lost costs nothing but its start.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray import exceptions

from harness.engines.attempt import LOOK_AGAIN_S, Message, attempt, settle
from harness.engines.base import Event, Outcome, Work
from harness.engines.local import ENVIRONMENT
from harness.engines.schedule import Schedule
from harness.errors import BadInput, StoreError
from harness.plan.task import Task
from harness.store.local import LocalStore

RETRIES = 3
"""How often a task is begun anew after its worker or its machine was lost; what it raises is final."""
ANSWER_S = 10.0
"""How long a cluster may take to answer at all."""
OBJECT_STORE = 100 * 2**20
"""Bytes of Ray's shared memory on a cluster of our own: artifacts do not pass through it."""

Options = Mapping[str, float]
"""`num_cpus`, `num_gpus` and `memory` (bytes) of a task, as Ray calls them."""
RESOURCES = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
"""What Ray calls the same of a machine."""
NO_START = "--engine: a Ray cluster of our own could not start here"
BY_TOKEN = "Where `ray start` said that it asks for a token, give it here, too, and set RAY_AUTH_MODE=token."
"""Ray itself sends one to no address that is named."""
ELSEWHERE: Message = ("elsewhere", None)
"""How a try ended that found another run at the task."""


@dataclass(frozen=True)
class Cluster:
    """Where tasks run: an existing cluster at `address`, or one of `workers` processes on this machine."""

    address: str | None
    workers: int

    @property
    def room(self) -> float:
        """How many tasks to hand over at a time.

        No more than can run, so that the next one is chosen when it is its turn; of a cluster that is there,
        which may grow with what waits, all.
        """
        return self.workers if self.address is None else float("inf")


class RayEngine:
    """Runs tasks on a Ray cluster; `needs` says what one of a stage takes of it."""

    def __init__(
        self, store: LocalStore, work: Work, cluster: Cluster, needs: Callable[[str], Options]
    ) -> None:
        self._store, self._work, self._cluster, self._needs = store, work, cluster, needs

    def run(self, tasks: Sequence[Task], report: Callable[[Event], None]) -> Outcome:
        """Run what the store lacks, inputs before users; go on past failures.

        Raises:
            BadInput: a task takes more than the whole of a cluster of our own.
            StoreError: there is no cluster at the address.
            DiskFull: there is no room for the artifact of a task; nothing else is begun.
            KeyboardInterrupt: passed on after the workers have stopped; the store stays whole.
        """
        schedule = Schedule(tasks, self._store)
        if not schedule.open:
            return schedule.outcome
        with _connected(self._cluster):
            if self._cluster.address is None:
                self._check([task for task in tasks if task.key not in schedule.outcome.stored])
            watch, running = _Watch(report), dict[Any, Task]()
            while schedule.open:
                while len(running) < self._cluster.room and (task := schedule.next()) is not None:
                    running[self._submit(task, watch)] = task
                    watch.tasks[task.key] = task
                watch.look()  # before the wait: a worker that is free waits for nothing but its next task
                for reference in _ended(running):
                    task, message = running.pop(reference), _message(reference)
                    if message == ELSEWHERE:
                        watch.forget(task)
                        schedule.put_back(task)
                    else:
                        watch.end(task)
                        settle(schedule, task, message, report)
        return schedule.outcome

    def _check(self, tasks: Sequence[Task]) -> None:
        """Refuse what would wait for ever.

        Raises:
            BadInput: says what a task takes, and what there is.
        """
        there = ray.cluster_resources()
        for stage in sorted({task.stage for task in tasks}):
            for name, taken in self._needs(stage).items():
                if taken > there.get(RESOURCES[name], 0):
                    raise BadInput(
                        f"resources: a task of '{stage}' takes {taken:g} {RESOURCES[name]}, and the cluster "
                        f"of --jobs here has {there.get(RESOURCES[name], 0):g}. Ask for less, or name "
                        "a larger cluster with --address."
                    )

    def _submit(self, task: Task, watch: "_Watch") -> Any:
        needs = self._needs(task.stage)
        remote = (_try_on_gpus if needs.get("num_gpus") else _try).options(
            max_retries=RETRIES, name=task.stage, **needs
        )
        return remote.remote(self._work, task, self._store.root.resolve(), watch.news)


@ray.remote(num_cpus=0, max_restarts=-1)
class _News:
    """How far each task is, as its worker last said; taken by the driver now and then."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[int, int]] = {}

    def tell(self, key: str, done: int, of: int) -> None:
        self._latest[key] = (done, of)

    def take(self) -> dict[str, tuple[int, int]]:
        latest, self._latest = self._latest, {}
        return latest


def _try_here(work: Work, task: Task, root: Path, news: Any) -> Message:
    """A try at a task, in a worker of the cluster; not one that would only wait for another run."""
    if LocalStore(root).is_claimed(task.stage, task.key):
        return ELSEWHERE

    told = -inf

    def progress(done: int, of: int) -> None:
        nonlocal told
        if time.monotonic() - told >= LOOK_AGAIN_S:  # no oftener than the driver looks: each costs a message
            told = time.monotonic()
            news.tell.remote(task.key, done, of)

    news.tell.remote(task.key, 0, 0)  # it has begun
    return attempt(work, task, root, progress)


_try = ray.remote(_try_here)
_try_on_gpus = ray.remote(max_calls=1)(_try_here)
"""In a process that ends with it: CUDA reads once which GPUs are its own, and a process keeps memory."""


class _Watch:
    """Turns what the workers say into events; a task has started once its worker says something."""

    def __init__(self, report: Callable[[Event], None]) -> None:
        self.news: Any = _News.remote()  # type: ignore[attr-defined]
        self.tasks: dict[str, Task] = {}
        self._report, self._started = report, set[str]()
        self._looked = -inf

    def look(self) -> None:
        """Report the latest of each task; where the teller is lost, its successor will do."""
        if time.monotonic() - self._looked < LOOK_AGAIN_S:  # each costs a message, and tasks may be short
            return
        self._looked = time.monotonic()
        with suppress(exceptions.RayError):
            for key, (done, of) in ray.get(self.news.take.remote(), timeout=LOOK_AGAIN_S).items():
                if key in self.tasks:
                    self._start(self.tasks[key])
                    if of:
                        self._report(Event("progress", self.tasks[key], done, of))

    def end(self, task: Task) -> None:
        """A task's try is over: what its worker still says of it comes too late."""
        self._start(task)
        self.forget(task)

    def forget(self, task: Task) -> None:
        """A task has not begun."""
        del self.tasks[task.key]
        self._started.discard(task.key)

    def _start(self, task: Task) -> None:
        if task.key not in self._started:
            self._started.add(task.key)
            self._report(Event("started", task))


def _ended(running: Mapping[Any, Task]) -> list[Any]:
    """Which of these have ended, after a short wait for any."""
    if not running:
        time.sleep(LOOK_AGAIN_S)
        return []
    done: list[Any] = ray.wait(list(running), timeout=LOOK_AGAIN_S)[0]
    return done


def _message(reference: Any) -> Message:
    try:
        message: Message = ray.get(reference)
    except exceptions.RayTaskError as error:  # `attempt` lets nothing out: it could not even be begun
        return "failed", f"the worker could not begin: {str(error).strip().splitlines()[-1]}"
    except exceptions.RayError as error:
        return "failed", f"lost with its worker {RETRIES + 1} times: {str(error).strip().splitlines()[0]}"
    return message


@contextmanager
def _connected(cluster: Cluster) -> Iterator[None]:
    """Quietly: no dashboard, no usage figures, no lines of workers between ours, and no files left.

    Raises:
        StoreError: there is no cluster at the address.
    """
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0"}
    usual = signal.getsignal(signal.SIGTERM)
    with _started(cluster.workers) if cluster.address is None else _joined(cluster.address) as ours:
        try:
            ray.init(**ours, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError, RuntimeError, exceptions.RayError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            if cluster.address is None:
                raise StoreError(f"{NO_START}: {reason}") from None
            raise StoreError(
                f"--address: no Ray cluster answers at '{cluster.address}': {reason}. {BY_TOKEN}"
            ) from None
        finally:
            signal.signal(signal.SIGTERM, usual)
        try:
            yield
        finally:
            ray.shutdown()


def _joined(address: str) -> nullcontext[dict[str, Any]]:
    """Settings of a cluster that is there.

    Raises:
        StoreError: nobody answers at its host and port, where Ray itself would try for minutes.
    """
    host, _, port = address.rpartition(":")
    if port.isdigit():
        try:
            socket.create_connection((host.rpartition("/")[2], int(port)), ANSWER_S).close()
        except (OSError, OverflowError) as error:
            raise StoreError(f"--address: no Ray cluster answers at '{address}': {error}") from None
    return nullcontext({"address": address, "runtime_env": {"env_vars": ENVIRONMENT}})


@contextmanager
def _started(workers: int) -> Iterator[dict[str, Any]]:
    """Settings of a cluster of our own, whose processes have our environment.

    Theirs by `runtime_env` would be made by a server of its own, which the first task would wait for.
    """
    os.environ |= ENVIRONMENT
    # the path of a socket is short: 107 bytes, of which Ray takes 70 below this folder
    place = os.environ.get("RAY_TMPDIR", "/tmp")
    with TemporaryDirectory(prefix="ray-", dir=place, ignore_cleanup_errors=True) as folder:
        yield {
            "address": "local",  # not a cluster that happens to run here, or that RAY_ADDRESS names
            "num_cpus": workers,
            "object_store_memory": OBJECT_STORE,
            "include_dashboard": False,
            "_temp_dir": folder,
        }
