"""One byte of each file of a finished store is flipped, one file after another: it must be found, and named.

Then one byte of one artifact of each of some stages, all at once: these alone must be made again.
"""

import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.commands import HARNESS, SMOKE, device, first_run
from benchmarks.figure import Benchmark, Figure, at_least, at_most
from benchmarks.kills import results, stored
from harness.errors import CorruptArtifact
from harness.store.local import LocalStore

SEED = 0
REDONE = ("prompts", "embeddings", "breadth", "pairs", "scores")
"""Stages that are quick to do again."""


def flip(path: Path, draw: random.Random) -> bytes:
    """Flip one bit of one byte of a file; what the file held before."""
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
    path.write_bytes(changed)
    return whole


def found(root: Path, draw: random.Random) -> tuple[int, list[str]]:
    """How many files of a store were flipped, and those that a reader did not find, or not by name."""
    missed, flipped = [], 0
    for manifest in sorted(root.glob("*/*/manifest.json")):
        folder = manifest.parent
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size):
            whole = flip(path, draw)
            flipped += 1
            try:
                LocalStore(root).open(folder.parent.name, folder.name)
                missed.append(f"{path}: not found")
            except CorruptArtifact as error:
                if path.relative_to(folder).as_posix() not in str(error):
                    missed.append(f"{path}: not named by {error}")
            path.write_bytes(whole)
    return flipped, missed


def redone(project: Path, draw: random.Random) -> tuple[set[str], set[str], bool]:
    """The artifacts that were damaged, those that were made again, and whether the records are the same."""
    before, records = stored(project), results(project)
    damaged = set()
    for stage in REDONE:
        folder = sorted((project / ".harness" / stage).glob("*"))[0]
        flip(sorted(path for path in folder.iterdir() if path.name != "manifest.json")[0], draw)
        damaged.add(f"{stage}/{folder.name}")
    said = _harness(project, "store", "verify", "--discard", code=1)
    if not all(name in said for name in damaged):
        raise RuntimeError(f"not all that is damaged was named:\n{said}")
    _harness(project, "run", SMOKE, code=0)
    after = stored(project)
    return damaged, {name for name in after if before.get(name) != after[name]}, results(project) == records


def _harness(project: Path, *words: str, code: int) -> str:
    done = subprocess.run([HARNESS, *words], cwd=project, capture_output=True, text=True, check=False)
    if done.returncode != code:
        raise RuntimeError(
            f"harness {' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return done.stdout + done.stderr


def measure_flips() -> list[Figure]:
    """The smoke recipe's finished store."""
    draw = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        project = shutil.copytree(first_run(SMOKE)[0], Path(folder) / "project")
        flipped, missed = found(project / ".harness", draw)
        damaged, again, same = redone(project, draw)

    def figure(case: str, value: float) -> Figure:
        return Figure("flips", case, value, "", "-", None, device(), "-m benchmarks flips")

    return [
        at_least(figure("files of a finished store with one byte flipped", flipped), 100),
        at_most(figure("of these not found, or not by name", len(missed)), 0),
        at_most(figure("of 5 damaged artifacts not made again", len(damaged - again)), 0),
        at_most(figure("others made again", len(again - damaged)), 0),
        at_least(figure("records the same afterwards", same), 1),
    ]


BENCHMARKS = (
    Benchmark("flips", "a byte of each file of a store is flipped: found and made again", measure_flips),
)
