"""A method's comparisons with other methods, from the store into its record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from harness.leaderboard.artifacts import Artifacts
from harness.leaderboard.record import Contests
from harness.plan.build import Cell
from harness.plan.task import Task
from harness.store.formats import RESULT
from harness.store.manifest import Manifest


@dataclass(frozen=True)
class StoredContests:
    """What a cell's comparisons came to, the judges' ids, and the manifests of those that were made."""

    found: Contests | None
    judges: frozenset[str]
    manifests: Sequence[Manifest]


def read_contests(cell: Cell, artifacts: Artifacts) -> StoredContests:
    """Those of a cell's comparisons that the store has: a method that failed takes no other's record away.

    Raises:
        CorruptArtifact: if one does not match its digest.
    """
    there = {other: task for other, task in cell.contests.items() if artifacts.has(task.stage, task.key)}
    results = {other: artifacts.content(task.stage, task.key, RESULT) for other, task in there.items()}
    if not results:
        return StoredContests(None, frozenset(), [])
    tasks = {task.key: task for task in there.values()}  # methods of equal outputs share one
    return StoredContests(
        _contests(cell, there, results),
        frozenset(result["judge"] for result in results.values()),
        [artifacts.manifest(task.stage, key) for key, task in tasks.items()],
    )


def _contests(cell: Cell, tasks: Mapping[str, Task], results: Mapping[str, dict[str, Any]]) -> Contests:
    ids = list(dict.fromkeys(item for result in results.values() for item in result["preferences"]))
    values, missing = {}, {}
    for other, result in results.items():
        mine = tasks[other].inputs["outputs"].key == cell.ends["outputs"].key
        preferences = {item: _known(row) for item, row in result["preferences"].items()}
        values[other] = [_mean(preferences.get(item, []), mine) for item in ids]
        missing[other] = sum(len(row) for row in result["preferences"].values()) - sum(
            map(len, preferences.values())
        )
    flips = {other: result["flips"] for other, result in results.items()}
    return Contests(ids=ids, values=values, missing=missing, flips=flips)


def _known(row: Sequence[float | None]) -> list[float]:
    return [value for value in row if value is not None and isfinite(value)]


def _mean(preferences: Sequence[float], mine: bool) -> float | None:
    """From 1 (the first is better) to 2 (the second is) into points, as seen from the second or the first."""
    if not preferences:
        return None
    points = 100 * (sum(preferences) / len(preferences) - 1)
    return points if mine else 100 - points
