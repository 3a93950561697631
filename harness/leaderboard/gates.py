"""Conditions under which a comparison of two boards fails: `METRIC drops|rises N[%]`."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from harness.errors import BadInput
from harness.leaderboard.compare import Change, Comparison
from harness.leaderboard.text import figure

_FORM = re.compile(r"\s*(\S+)\s+(drops|rises)\s+(\d+(?:\.\d+)?)\s*(%?)\s*")
FORM = "METRIC drops|rises N[%], for example 'alpaca_eval.win_rate drops 2' or 'cost.alone.flops rises 10%'"


@dataclass(frozen=True)
class Gate:
    """`sign` is -1 for drops; `size` is in the metric's unit, or in percent of the value before."""

    text: str
    metric: str
    sign: int
    size: float
    relative: bool


def parse_gate(text: str) -> Gate:
    """The condition that `text` states.

    Raises:
        BadInput: it is not of the form above.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise BadInput(f"--fail-if: must be {FORM}. Got '{text}'.")
    metric, verb, size, percent = found.groups()
    return Gate(text.strip(), metric, -1 if verb == "drops" else 1, float(size), bool(percent))


def failures(gates: Sequence[Gate], comparison: Comparison) -> list[str]:
    """A sentence for each row that meets a condition, and for each that is gone, so that none can be checked.

    A change meets a condition where it is at least that large and, if it has an interval, surely not zero.

    Raises:
        BadInput: a condition names a metric that neither board has.
    """
    known = {change.metric for change in comparison.changes}
    known |= {metric for _, metric in comparison.gone + comparison.new if metric}
    if unknown := [_unknown(gate, known) for gate in gates if gate.metric not in known]:
        raise BadInput(unknown)
    found = [
        f"{change.row}: {change.metric} {described(change)}, against '{gate.text}'"
        for gate in gates
        for change in comparison.changes
        if change.metric == gate.metric and _met(gate, change)
    ]
    return found + [
        f"{row}: has no {metric or 'record'} any more, so that no condition can be checked on it"
        for row, metric in comparison.gone
        if gates and (metric is None or metric in {gate.metric for gate in gates})
    ]


def described(change: Change) -> str:
    """`went from 55.5 to 52.4 (-3.1 ± 1.2)`."""
    gap = figure(change.difference, change.ci_high, sign=True)
    return f"went from {figure(change.before)} to {figure(change.after)} ({gap})"


def _met(gate: Gate, change: Change) -> bool:
    size = gate.size / 100 * abs(change.before) if gate.relative else gate.size
    moved = gate.sign * change.difference
    noise = change.ci_low is not None and change.ci_high is not None and change.ci_low <= 0 <= change.ci_high
    return moved > 0 and moved >= size and not noise


def _unknown(gate: Gate, known: Collection[str]) -> str:
    near = get_close_matches(gate.metric, known, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"They have: {', '.join(sorted(known))}."
    return f"--fail-if '{gate.text}': no row of the two boards has the metric '{gate.metric}'. {hint}"
