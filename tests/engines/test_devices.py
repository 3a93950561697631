"""Which GPU each worker works on. There is none here: what workers are told is tested, not what CUDA does."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.engines.base import Event
from harness.engines.devices import VISIBLE, count_gpus, devices_here, placements
from harness.engines.local import LocalEngine
from harness.plan.task import Task
from harness.store.local import LocalStore

TWO = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-6b1d3f0e-0000-0000-0000-000000000000)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-6b1d3f0e-0000-0000-0000-000000000001)
"""
SLICED = TWO + "  MIG 1g.10gb     Device  0: (UUID: MIG-5c89852c-0000-0000-0000-000000000002)\n"
EIGHT = [str(number) for number in range(8)]


def told(devices: list[str], jobs: int, together: int = 1) -> list[str]:
    return [place[VISIBLE] for place in placements(devices, jobs, together)]


def firsts(jobs: int, together: int) -> list[int]:
    return [int(names.split(",")[0]) for names in told(EIGHT, jobs, together)]


def test_each_worker_begins_with_a_gpu_of_its_own() -> None:
    """Three GPUs by the names they were given; the fourth worker shares the first one's."""
    assert told(["2", "GPU-b", "5"], 4) == ["2,GPU-b,5", "GPU-b,5,2", "5,2,GPU-b", "2,GPU-b,5"]
    assert firsts(8, together=1) == list(range(8))
    assert firsts(16, together=1) == [*range(8), *range(8)]


@pytest.mark.parametrize("devices", [[], ["0"]])
def test_without_a_choice_nothing_is_set(devices: list[str]) -> None:
    assert placements(devices, 3, 1) == [{}, {}, {}]


def test_tasks_of_several_gpus_lie_apart_and_every_gpu_is_still_someones_first() -> None:
    """Of eight in fours: 0-3 and 4-7, then those between. Threes fit twice; eights and more share all."""
    assert firsts(8, together=4) == [0, 4, 1, 5, 2, 6, 3, 7]
    assert told(EIGHT, 2, together=4) == ["0,1,2,3,4,5,6,7", "4,5,6,7,0,1,2,3"]
    assert firsts(8, together=3) == [0, 3, 6, 1, 4, 7, 2, 5]
    assert firsts(3, together=8) == firsts(3, together=16) == [0, 1, 2]


@pytest.mark.parametrize("together", range(1, 10))
@pytest.mark.parametrize("count", range(2, 9))
def test_the_tasks_of_the_first_workers_do_not_meet(count: int, together: int) -> None:
    """As many workers as there is room for see none of each other's first `together` GPUs."""
    lists = [names.split(",") for names in told(EIGHT[:count], count, together)]
    assert all(sorted(names) == EIGHT[:count] for names in lists)
    assert len({names[0] for names in lists}) == count
    taken = [name for names in lists[: count // together] for name in names[:together]]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize(
    ("named", "found"),
    [("3, 1", ["3", "1"]), ("MIG-a,MIG-b", ["MIG-a", "MIG-b"]), ("0,-1,1", ["0"]), ("-1", []), ("", [])],
)
def test_what_the_user_names_is_what_there_is(
    named: str, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA stops reading at the first name that is none."""
    monkeypatch.setenv(VISIBLE, named)
    assert devices_here() == found


def test_what_nvidia_smi_lists_is_counted() -> None:
    """Of GPUs cut into slices a process sees one at most, and its number says little: nothing is guessed."""
    assert count_gpus(TWO) == 2
    assert count_gpus(SLICED) == 0
    assert count_gpus("No devices were found\n") == 0


def test_nvidia_smi_is_asked_where_the_user_names_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices_here() == []
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] && printf '%s' '{TWO}'\n")
    program.chmod(0o755)
    assert devices_here() == ["0", "1"]


def work(task: Task, root: Path, progress: Callable[[int, int], None]) -> bool:
    """Write down who does it, and what that process sees."""
    store = LocalStore(root)
    with store.claim(task.stage, task.key), store.create(task.identity) as draft:
        (draft.folder / "sees").write_text(f"{os.getpid()} {os.environ[VISIBLE]}")
    return True


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_worker_sees_what_it_is_told(jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every worker has a task, as all are given one at the start. A single one has the user's own list."""
    monkeypatch.setenv(VISIBLE, "4,7")
    store = LocalStore(tmp_path)
    store.prepare()
    tasks = [Task("prompts", {"n": number}, {}) for number in range(4)]
    outcome = LocalEngine(store, work, jobs).run(tasks, lambda event: None)
    assert len(outcome.done) == 4
    files = [store.folder(task.stage, task.key) / "sees" for task in tasks]
    seen = dict(file.read_text().split() for file in files)
    assert sorted(seen.values()) == ["4,7", "7,4"][:jobs]
    assert os.environ[VISIBLE] == "4,7"


@pytest.mark.parametrize(
    ("devices", "gpus", "at_once"),
    [
        ("0", 1.0, 1),
        ("0", 0.5, 2),
        ("0", 0.1, 3),
        ("0", 4.0, 1),  # of which there is one
        ("0", 0.0, 3),
        ("4,7", 1.0, 2),
        ("4,7", 0.5, 3),
        ("4,7", 2.0, 1),
        ("-1", 1.0, 3),  # no GPU
    ],
)
def test_tasks_run_side_by_side_where_their_gpus_have_room(
    devices: str, gpus: float, at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three workers, and as many tasks at a time as `at_once`, from the first on to the last."""
    monkeypatch.setenv(VISIBLE, devices)
    store = LocalStore(tmp_path)
    store.prepare()
    running = [0]

    def report(event: Event) -> None:
        running.append(running[-1] + {"started": 1, "finished": -1}.get(event.kind, 0))

    tasks = [Task("prompts", {"n": number}, {}) for number in range(4)]
    outcome = LocalEngine(store, work, 3, lambda stage: gpus).run(tasks, report)
    assert len(outcome.done) == 4
    assert max(running) == at_once


def test_what_takes_no_gpu_goes_on_beside_what_fills_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second training waits for the first; `pairs`, which stands behind both, does not."""
    monkeypatch.setenv(VISIBLE, "0")
    store = LocalStore(tmp_path)
    store.prepare()
    events: list[Event] = []
    tasks = [Task("adapter", {"n": 1}, {}), Task("adapter", {"n": 2}, {}), Task("pairs", {}, {})]
    LocalEngine(store, work, 2, {"adapter": 1.0, "pairs": 0.0}.__getitem__).run(tasks, events.append)
    assert [(event.kind, event.task) for event in events[:2]] == [
        ("started", tasks[0]),
        ("started", tasks[2]),
    ]
    assert len(events) == 6
