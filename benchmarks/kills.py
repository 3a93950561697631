"""A recipe, killed at random moments until so many kills are done, must go on to the same board.

A run is killed as machines do it: the whole process group by SIGKILL (power, the batch system's last word),
SIGTERM (its first) or SIGINT (Ctrl-C); the first process alone, whose workers then end what they do beside
the next run; or one worker alone (out of memory).
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.commands import HARNESS, ROOT, SMOKE, device
from benchmarks.figure import Benchmark, Figure, at_least, at_most
from harness.plan.catalog import STAGES
from harness.store.inventory import entries
from harness.store.local import LocalStore

KILLS, SEED = 100, 0
SHARE = 0.5
"""A kill comes within this share of an unbroken run's time, so that runs die in all their stages."""
KINDS = {"SIGKILL": 6, "SIGTERM": 1, "SIGINT": 1, "first": 1, "worker": 1}
"""Kinds of kills, and how often each is drawn."""
PATIENCE_S = 120.0
DEATH = b"the worker process died (signal SIGKILL)"
ELSEWHERE = ("provenance", "digest")
MEASURED = ("wall_s", "cpu_s", "device_s", "peak_memory_bytes", "peak_device_bytes", "energy_j", "energy")
"""Of a cost, what time and place change; tokens, FLOPs and judge calls are counted, and must be equal."""


@dataclass
class Campaign:
    """What was seen: kills by kind, runs that ended, and what must not be.

    `unexplained` is what runs said on stderr that failed by themselves, and not for a worker that died.
    """

    kills: Counter[str] = field(default_factory=Counter)
    boards: int = 0
    other_boards: int = 0
    damaged: list[str] = field(default_factory=list)
    made_twice: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    seconds: float = 0.0


def campaign(recipe: str, kills: int, seed: int, log: bool = False) -> Campaign:
    """Run a recipe (TOML) from an empty store again and again, and kill it so many times in all.

    After every kill each artifact is read; when a run ends, its records, with all that they count, must be an
    unbroken run's.
    """
    draw, seen, started = random.Random(seed), Campaign(), time.monotonic()
    with _project(recipe) as project:
        _finish(project)
        unbroken, most = results(project), SHARE * (time.monotonic() - started)
    while seen.kills.total() < kills:
        with _project(recipe) as project:
            while seen.kills.total() < kills and not _until_killed(project, draw, most, seen):
                _look(project, seen)
                if log:
                    print(f"{time.monotonic() - started:.0f} s: {seen}", file=sys.stderr, flush=True)
            _finish(project)
            _look(project, seen)
            seen.boards += 1
            seen.other_boards += results(project) != unbroken
    seen.seconds = time.monotonic() - started
    return seen


def results(project: Path, *others: str) -> dict[str, Any]:
    """Every record of a project's one board, by file name, less what time and place change, and `others`."""
    (folder,) = project.glob("leaderboards/*/records")
    left_out = (*ELSEWHERE, *MEASURED, *others)
    return {path.name: without(json.loads(path.read_text()), left_out) for path in folder.glob("*.json")}


def without(value: Any, names: tuple[str, ...]) -> Any:
    """A JSON value less the fields of these names, at any depth."""
    if isinstance(value, dict):
        return {key: without(item, names) for key, item in value.items() if key not in names}
    return [without(item, names) for item in value] if isinstance(value, list) else value


def stored(project: Path) -> dict[str, float]:
    """When each artifact was made, by stage/key."""
    return {entry.name: entry.made for entry in entries(project / ".harness", STAGES) if entry.whole}


@contextmanager
def _project(recipe: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "recipes").mkdir()
        (Path(folder) / "recipes" / "killed.toml").write_text(recipe)
        yield Path(folder)


def start(project: Path) -> subprocess.Popen[bytes]:
    """Start a run in a process group of its own, that heeds Ctrl-C as at a terminal."""
    return subprocess.Popen(
        [HARNESS, "run", "recipes/killed.toml"],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def _finish(project: Path) -> None:
    with start(project) as run:
        _, errors = run.communicate()
    if run.returncode != 0:
        raise RuntimeError(f"a run that nobody killed failed:\n{errors.decode()[-2000:]}")


def _until_killed(project: Path, draw: random.Random, most: float, seen: Campaign) -> bool:
    """Start a run and kill it; whether it came to its end before that."""
    with start(project) as run:
        while True:
            with suppress(subprocess.TimeoutExpired):
                run.wait(draw.uniform(0, most))
                return ended_well(run, seen)
            kind = draw.choices(list(KINDS), list(KINDS.values()))[0]
            if kind == "worker":
                seen.kills[kind] += _kill_worker(run.pid)
                continue  # the others go on; the run is killed at the next draw
            if kind == "first":
                run.kill()
            else:
                os.killpg(run.pid, getattr(signal, kind))
            seen.kills[kind] += 1
            run.wait(PATIENCE_S)
            return False


def ended_well(run: subprocess.Popen[bytes], seen: Campaign) -> bool:
    """Whether a run that nobody stopped came to its end; one that lost a worker may fail, but says so."""
    _, errors = run.communicate()
    if run.returncode != 0 and DEATH not in errors:
        seen.unexplained.append(errors.decode()[-2000:])
    return run.returncode == 0


def _kill_worker(parent: int) -> int:
    """Kill one worker, as the kernel does when memory runs out; how many there were to kill."""
    with suppress(psutil.Error):
        workers = [
            child for child in psutil.Process(parent).children() if "spawn_main" in " ".join(child.cmdline())
        ]
        for worker in workers[:1]:
            worker.kill()
            return 1
    return 0


def _look(project: Path, seen: Campaign) -> None:
    """Read every artifact, and see that none that was there has been made anew."""
    store = LocalStore(project / ".harness")
    before: dict[str, float] = json.loads(_note(project).read_text()) if _note(project).exists() else {}
    now = stored(project)
    for name in now:
        try:
            store.open(*name.split("/"))
        except Exception as error:
            seen.damaged.append(f"{name}: {error}")
    seen.made_twice += [name for name, made in before.items() if now.get(name) != made]
    _note(project).write_text(json.dumps(now))


def _note(project: Path) -> Path:
    return project / "seen.json"


def measure_kills() -> list[Figure]:
    """`recipes/smoke.toml`, killed 100 times in one go."""
    seen = campaign((ROOT / SMOKE).read_text(), KILLS, SEED, log=True)

    def figure(case: str, value: float, unit: str = "") -> Figure:
        return Figure("kills", case, value, unit, "-", None, device(), "-m benchmarks kills")

    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(seen.kills.items()))
    return [
        at_least(figure(f"kills ({kinds})", seen.kills.total()), KILLS),
        at_least(figure("runs that came to their end in between", seen.boards), 1),
        at_most(figure("of these with other records than an unbroken run", seen.other_boards), 0),
        at_most(figure("damaged artifacts", len(seen.damaged)), 0),
        at_most(figure("artifacts made twice", len(seen.made_twice)), 0),
        at_most(figure("runs that ended without saying why", len(seen.unexplained)), 0),
        figure("all together", seen.seconds / 60, "min"),
    ]


BENCHMARKS = (Benchmark("kills", "the smoke recipe, killed 100 times at random moments", measure_kills),)
