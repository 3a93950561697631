"""Whether a store with 100,000 artifacts stays interactive: the commands about it, plan and second run."""

import os
import resource
import shutil
from dataclasses import dataclass
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path

from benchmarks.commands import SMOKE, device, first_run, timed
from benchmarks.figure import Benchmark, Figure, Skipped, at_most
from harness.store.keys import KEY_LENGTH, digest
from harness.store.manifest import Manifest, read_manifest, write_manifest

NAME, ARTIFACTS, BOUND_S = "store-scale", 100_000, 5.0
ROWS = b'{"prompt_id": "filler", "index": 0}\n' * 8
ROOM, INODES = 3 * 10**9, 6 * ARTIFACTS
"""Bytes and inodes that the store may take."""


@dataclass(frozen=True)
class Took:
    """Wall and processor seconds of a command and its processes."""

    wall: float
    processor: float


def measure() -> list[Figure]:
    """The real commands on the smoke recipe's store, before and after it has grown."""
    folder, _, _ = first_run(SMOKE)
    store = folder / ".harness"
    _check_room(folder)
    known = sorted((store / "pairs").iterdir())[0].name
    commands = (
        ("store", "list"),
        ("store", "size"),
        ("store", "show", known),
        ("store", "gc", SMOKE),
        ("store", "verify"),
        ("plan", SMOKE),
        ("run", SMOKE),
    )
    small = {words: _took(folder, *words) for words in commands}
    try:
        fill(store, ARTIFACTS)
        return [_figure(words, small[words], _took(folder, *words)) for words in commands]
    finally:
        shutil.rmtree(store, ignore_errors=True)  # nothing measured later shall meet it


def fill(store: Path, artifacts: int) -> None:
    """Add artifacts of no recipe: those of the store over and over, under other keys, with small files."""
    real = [read_manifest(path.parent) for path in sorted(store.glob("*/*/manifest.json"))]
    facts = {"sha256": sha256(ROWS).hexdigest(), "bytes": len(ROWS)}
    for number, like in enumerate(islice(cycle(real), artifacts)):
        key = digest({"filler": number})[:KEY_LENGTH]
        _add(store, like._replace(key=key, files=dict.fromkeys(like.files, facts)))


def _add(store: Path, manifest: Manifest) -> None:
    folder = store / manifest.stage / manifest.key
    folder.mkdir()
    for name in manifest.files:
        if "/" in name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with open(f"{folder}/{name}", "wb", buffering=0) as file:
            file.write(ROWS)
    write_manifest(folder, manifest)


def _took(folder: Path, *words: str) -> Took:
    before = _processor_seconds()
    wall = timed(folder, *words)
    return Took(wall, _processor_seconds() - before)


def _processor_seconds() -> float:
    """Of all processes that this one has waited for, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _check_room(folder: Path) -> None:
    there = os.statvfs(folder)
    if there.f_bavail * there.f_frsize < ROOM or there.f_favail < INODES:
        raise Skipped(f"{folder} lacks room: {ROOM / 1e9:.0f} GB and {INODES:,} files are needed.")


def _figure(words: tuple[str, ...], small: Took, large: Took) -> Figure:
    """Seconds that a person waits, on a machine that does nothing else: most of it is done on all cores."""
    case = (
        f"harness {' '.join(words)}, {ARTIFACTS:,} artifacts more ({small.wall:.1f} s without; processor "
        f"{large.processor:.1f} s)"
    )
    command = f"python -m benchmarks {NAME}"
    return at_most(Figure(NAME, case, large.wall, "s", "-", None, device(), command), BOUND_S)


BENCHMARKS = (Benchmark(NAME, "commands on a store of 100,000 artifacts", measure),)
