"""What a method cost: alone, as its share of shared work, by stage, and against the baseline."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.energy import LABELS
from harness.leaderboard.record import Cost, Record, TaskCost

ENERGY = ("energy_j", "energy")
DEVICE_PEAK = "peak_device_bytes"
FIELDS = tuple(name for name in Cost.model_fields if name not in (*ENERGY, DEVICE_PEAK))
"""The fields that every cost has."""
TOKENS = {
    "forward": "tokens_forward",
    "of it generated": "tokens_generated",
    "of it scored": "tokens_scored",
    "backward": "tokens_backward",
    "padding": "tokens_padding",
}
"""How boards name the fields of a cost that count tokens."""
PEAKS = ("peak_memory_bytes", DEVICE_PEAK)
"""The fields that do not add up: two tasks need the larger of their memories."""


@dataclass(frozen=True)
class Overhead:
    """(cost - baseline's cost) / baseline's cost; None where the baseline's cost is zero, or not there."""

    wall: float | None
    flops: float | None


UNKNOWN = Overhead(None, None)


def cost_alone(records: Sequence[Record]) -> Cost:
    """Mean over replicates of all that the method needs, as if it were run with nothing there."""
    return _mean([_total((task, 1) for task in _charged(record)) for record in records])


def cost_shared(records: Sequence[Record], users: Mapping[str, int]) -> Cost:
    """Mean over replicates, each task's cost being split evenly among the records that use it (`task_users`).

    So the sum over all records of a board is what the board really cost.
    """
    return _mean([_total((task, users[task.key]) for task in _charged(record)) for record in records])


def cost_by_stage(records: Sequence[Record]) -> dict[str, Cost]:
    """Stage -> mean over replicates of what the method alone needs of it, in the order of first use."""
    stages = dict.fromkeys(task.stage for record in records for task in _charged(record))
    return {
        stage: _mean(
            [_total((task, 1) for task in _charged(record) if task.stage == stage) for record in records]
        )
        for stage in stages
    }


def task_users(records: Iterable[Record]) -> Counter[str]:
    """Task key -> number of records (method and replicate) that it is charged to."""
    return Counter(task.key for record in records for task in _charged(record))


def has_costs(records: Iterable[Record]) -> bool:
    """Whether any record names a task: imported results name none, and then zero is no measurement."""
    return any(record.tasks for record in records)


def overhead(cost: Cost, baseline: Cost) -> Overhead:
    """How much more than the baseline, as a ratio; a method without training has -1."""
    return Overhead(_excess(cost.wall_s, baseline.wall_s), _excess(cost.flops, baseline.flops))


def _charged(record: Record) -> list[TaskCost]:
    return [task for task in record.tasks if task.role == "method"]


def _total(tasks: Iterable[tuple[TaskCost, int]]) -> Cost:
    tasks = list(tasks)
    shares = [(task.cost.model_dump(), users) for task, users in tasks]
    sums = {field: sum(cost[field] / users for cost, users in shares) for field in FIELDS}
    found = sums | _peaks([task.cost for task, _ in tasks])
    return Cost(**found | _energy([(task.cost, users) for task, users in tasks]))


def _mean(costs: Sequence[Cost]) -> Cost:
    means = {field: sum(getattr(cost, field) for cost in costs) / len(costs) for field in FIELDS}
    return Cost(**means | _peaks(costs) | _energy([(cost, len(costs)) for cost in costs]))


def _peaks(costs: Sequence[Cost]) -> dict[str, Any]:
    """The largest of each memory; a device's is not there where no cost has one."""
    known = {name: [peak for cost in costs if (peak := getattr(cost, name)) is not None] for name in PEAKS}
    return {name: max(peaks) for name, peaks in known.items() if peaks}


def _energy(parts: Sequence[tuple[Cost, int]]) -> dict[str, Any]:
    """The sum of energies, each divided; one that is not known leaves the sum unknown."""
    labels = {cost.energy for cost, _ in parts}
    if labels <= {None}:
        return {}
    if labels & {None, "n.a."}:
        return {"energy": "n.a."}
    total = sum((cost.energy_j or 0.0) / share for cost, share in parts)
    return {"energy_j": total, "energy": max((label for label in labels if label), key=LABELS.index)}


def _excess(cost: float, baseline: float) -> float | None:
    return (cost - baseline) / baseline if baseline > 0 else None
