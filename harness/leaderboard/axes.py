"""Axes of plots: the range that is worth showing, round ticks, and places on it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CROWDED = 0.5
"""An extreme value that alone takes up more than this share of the range is drawn at the edge."""
AT_THE_EDGE = 2  # values, at most
MARGIN = 0.06  # of the range, on either side
ENOUGH = 3  # ticks
LINEAR_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A range and its ticks; `log` axes hold positive numbers only."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Where `value` lies, 0 at the low end and 1 at the high one; values outside lie at the ends."""
        low, high = self._on_scale(self.low), self._on_scale(self.high)
        return min(max((self._on_scale(value) - low) / (high - low), 0.0), 1.0)

    def holds(self, value: float) -> bool:
        """Whether `value` is inside the range."""
        return self.low <= value <= self.high

    def _on_scale(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value


def linear_axis(values: Sequence[float], ends: Sequence[float] = (), ticks: int = 6) -> Axis:
    """An axis for `values`, without those few that would press all others together.

    `ends` (of intervals, or a line that must be seen) widen it where they are near.
    """
    low, high = focus(values)
    reach = (high - low) or max(abs(high), 1.0)
    near = [end for end in ends if low - reach <= end <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    margin = MARGIN * ((high - low) or max(abs(high), 1.0))
    low, high = low - margin, high + margin
    step = _step((high - low) / ticks)
    first = math.ceil(low / step)
    return Axis(low, high, tuple(step * n for n in range(first, math.floor(high / step) + 1)))


def log_axis(values: Sequence[float]) -> Axis:
    """An axis for positive `values`; ticks at powers of ten, where few also at what lies between them."""
    low, high = min(values), max(values)
    room = max((high / low) ** MARGIN, 1.1)
    low, high = low / room, high * room
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 2, 5), range(1, 10)):
        ticks = tuple(n * 10.0**power for power in powers for n in digits if low <= n * 10.0**power <= high)
        if len(ticks) >= ENOUGH:
            break
    else:
        ticks = linear_axis([low, high]).ticks
        ticks = tuple(tick for tick in ticks if low <= tick <= high)
    return Axis(low, high, ticks, log=True)


def focus(values: Sequence[float]) -> tuple[float, float]:
    """The range of `values` after at most two extremes are left out that dwarf the spread of all others."""
    kept = sorted(values) or [0.0]
    for _ in range(AT_THE_EDGE):
        whole = kept[-1] - kept[0]
        if len(kept) < 4 or whole == 0:
            break
        without_low, without_high = kept[-1] - kept[1], kept[-2] - kept[0]
        if min(without_low, without_high) >= CROWDED * whole:
            break
        kept = kept[1:] if without_low < without_high else kept[:-1]
    return kept[0], kept[-1]


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in LINEAR_STEPS if step * power >= rough * 0.999)
