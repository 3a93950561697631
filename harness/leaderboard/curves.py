"""Learning curves: what each method's training logged, as means over its replicates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

from harness.leaderboard.record import Record

MOST_POINTS = 24
"""A curve is shown as the means of at most this many equal stretches: a batch alone is noise."""
LABELS = {
    "loss": "loss",
    "margin": "margin (log-ratio, chosen − rejected)",
    "accuracy": "accuracy (chosen above rejected)",
    "chosen": "log-ratio of the chosen",
}


@dataclass(frozen=True)
class Curve:
    """One method's values: (middle step of a stretch, mean over the stretch and the replicates)."""

    method: str
    points: tuple[tuple[float, float], ...]


def curves(records: Iterable[Record], methods: Sequence[str]) -> dict[str, list[Curve]]:
    """Measure -> a curve for each of `methods` that logged it, in their order; empty where nothing was."""
    histories: dict[str, list[list[Mapping[str, Any]]]] = {method: [] for method in methods}
    for record in records:
        history = record.training.get("history")
        if record.method in histories and isinstance(history, list) and history:
            histories[record.method].append(history)
    found = {}
    for measure in LABELS:
        drawn = [_curve(method, runs, measure) for method, runs in histories.items()]
        if any(len(curve.points) > 1 for curve in drawn):
            found[measure] = [curve for curve in drawn if len(curve.points) > 1]
    return found


def _curve(method: str, runs: Sequence[Sequence[Mapping[str, Any]]], measure: str) -> Curve:
    """Over the steps that all replicates have."""
    steps = min((len(run) for run in runs), default=0)
    stretches = min(steps, MOST_POINTS)
    bounds = [steps * n // stretches for n in range(stretches + 1)] if stretches else []
    points = []
    for start, end in pairwise(bounds):
        values = [step[measure] for run in runs for step in run[start:end] if _number(step, measure)]
        if values:
            points.append(((start + end + 1) / 2, fmean(values)))
    return Curve(method, tuple(points))


def _number(step: Mapping[str, Any], measure: str) -> bool:
    return isinstance(step.get(measure), int | float)
