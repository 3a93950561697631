"""How a stage's work is cut into shards, and how their results are put together.

A stage names the units that its results do not depend across: prompts, windows of rows that batches stay
within, pieces of a bank. A shard is a run of whole units, so any number of shards gives the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile, copyfileobj
from typing import TypeVar

from harness.models.batching import windows
from harness.stages.job import Job
from harness.store.columns import join_matrices

Unit = TypeVar("Unit")


def share(job: Job, units: Sequence[Unit]) -> Sequence[Unit]:
    """The units that a job is to do: all, or those of its shard; shards are equal but for one unit."""
    number, of = job.params.get("shard", (0, 1))
    first, last = (len(units) * edge // of for edge in (number, number + 1))
    return units[first:last]


def share_of_rows(job: Job, rows: int) -> slice:
    """The same of so many rows whose batches keep to windows."""
    edges = share(job, windows(rows))
    return slice(edges[0][0], edges[-1][1]) if edges else slice(0, 0)


def is_idle(job: Job, rows: slice) -> bool:
    """Whether a job is a shard without rows, which then writes nothing; the last one has some if any has."""
    number, of = job.params.get("shard", (0, 1))
    return rows.start == rows.stop and bool(number < of - 1)


def join(job: Job, *names: str) -> None:
    """Put files of the job's shards together, in order: rows of text or of arrays; idle ones have none."""
    for name in names:
        files = _files(job, name)
        if name.endswith(".npy"):
            join_matrices(job.out / name, files)
        else:
            _join_lines(job.out / name, files)


def take_first(job: Job, name: str) -> None:
    """Take a file that all shards have alike, but for idle ones."""
    copyfile(_files(job, name)[0], job.out / name)


def _files(job: Job, name: str) -> list[Path]:
    return [part / name for part in job.parts if (part / name).exists()]


def _join_lines(path: Path, files: Sequence[Path]) -> None:
    with path.open("wb") as joined:
        for file in files:
            with file.open("rb") as part:
                copyfileobj(part, joined)
