"""Batches of paid calls, killed at random moments until so many kills are done: nothing is paid twice.

The server counts what it would charge for. A call may be paid again only where a kill came between its answer
and the journal, which is one call for each thread at most.
"""

import json
import random
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.commands import device
from benchmarks.figure import Benchmark, Figure, at_least, at_most
from benchmarks.of_tests import of_tests

KILLS, SEED = 100, 0
ITEMS, THREADS = 300, 4
ANSWER_S = 0.01
"""How long the server thinks about an answer."""
LATEST_S = 0.5
"""A kill comes within so many seconds of a process's first call."""


@dataclass
class Seen:
    """What was seen of all batches; all but `kills` and `batches` count calls that were charged for.

    `lost`: a kill kept their answers off the disk. `beyond`: those of `lost` that are more than one for each
    thread that was killed. `twice`: their answers were on the disk already.
    """

    kills: int = 0
    batches: int = 0
    lost: int = 0
    beyond: int = 0
    twice: int = 0


def campaign(kills: int, items: int, seed: int) -> Seen:
    """Ask for batches of so many items, each in a journal of its own, and kill who asks so often in all."""
    chat, draw, seen = of_tests("chat_server.py"), random.Random(seed), Seen()

    def slow(number: int, body: dict[str, Any]) -> Any:
        time.sleep(ANSWER_S)
        return chat.echo(number, body)

    with chat.serving(slow) as server:
        while seen.kills < kills:
            with tempfile.TemporaryDirectory() as journal:
                _batch(server, Path(journal), [f"item {n}" for n in range(items)], kills, draw, seen)
    return seen


def _batch(server: Any, journal: Path, items: list[str], kills: int, draw: random.Random, seen: Seen) -> None:
    """Ask until all is answered."""
    processes = of_tests("endpoints/processes.py")
    paid_before, lost = server.paid, 0
    while True:
        asked = len(server.asked)
        run = processes.start(server, journal, items, concurrency=THREADS)
        if seen.kills == kills or not _killed(run, server, asked, draw):
            processes.finish(run)
            break
        seen.kills += 1
        new = server.paid - paid_before - _kept(journal) - lost
        seen.beyond += max(0, new - THREADS)
        lost += new
    seen.batches += 1
    seen.lost += lost
    seen.twice += server.paid - paid_before - lost - len(items)


def _killed(run: "subprocess.Popen[str]", server: Any, asked: int, draw: random.Random) -> bool:
    """Kill a process at a random moment after its first call, unless it has come to its end before."""
    while len(server.asked) == asked and run.poll() is None:
        time.sleep(0.001)
    with suppress(subprocess.TimeoutExpired):
        run.wait(draw.uniform(0, LATEST_S))
        return False
    run.kill()
    run.communicate()
    _until_silent(server)
    return True


def _until_silent(server: Any) -> None:
    """What a killed process had sent is answered, and charged for, all the same."""
    before = None
    while server.busy or before != len(server.asked):
        before = len(server.asked)
        time.sleep(0.1)


def _kept(journal: Path) -> int:
    """Answers on the disk; a line that its writer died in is none."""
    (file,) = journal.glob("*.jsonl")
    lines = [line for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return sum(json.loads(line)["event"] == "paid" for line in lines)


def measure_calls() -> list[Figure]:
    """100 kills; each batch has 300 items, and 4 threads ask."""
    seen = campaign(KILLS, ITEMS, SEED)

    def figure(case: str, value: float) -> Figure:
        return Figure("calls", case, value, "", "-", None, device(), "python -m benchmarks calls")

    return [
        at_least(figure(f"kills of a process that asks with {THREADS} threads", seen.kills), KILLS),
        at_least(figure(f"batches of {ITEMS} calls that came to their end", seen.batches), 1),
        at_most(figure("calls paid again though their answer was on the disk", seen.twice), 0),
        figure("calls paid again since a kill kept their answer off the disk", seen.lost),
        at_most(figure("of these more than one for each thread that was killed", seen.beyond), 0),
    ]


BENCHMARKS = (Benchmark("calls", "paid calls, killed 100 times at random moments", measure_calls),)
