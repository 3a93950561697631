"""Split a budget of pairs over the prompts, exactly and within their caps."""

import numpy as np
from scipy.optimize import brentq

from harness.errors import ShortBudget
from harness.methods.candidates import Floats, Ints


def apportion(weights: Floats, total: int, caps: Ints, minimum: int = 0) -> Ints:
    """Whole counts in proportion to `weights`, by largest remainder.

    The exact shares are q_i = clip(level * weights_i, low_i, caps_i) with low_i = min(minimum, caps_i), and
    the one `level` at which they sum to `total`: where a cap or the minimum binds, the others share the
    difference in proportion. Shares are rounded down; what is left goes to the largest fractions (equal
    fractions: to the earlier prompt).

    Args:
        weights: [n], not negative. A weight of zero gets its minimum and no more.
        total: the number of pairs to hand out.
        caps: [n] the most that each can take.
        minimum: the least that each gets, where its cap allows.

    Returns:
        [n] counts that sum to `total`.

    Raises:
        ShortBudget: the caps, the minimum or zero weights make `total` impossible; the sentence says which.
    """
    if np.any(weights < 0) or not np.all(np.isfinite(weights)):
        raise ValueError("weights must be finite and not negative")
    low = check_budget(total, caps, minimum)
    room = np.where(weights > 0, caps, low)
    if total > room.sum():
        raise ShortBudget(
            f"{total} pairs are asked for, but the prompts of positive weight have room for only "
            f"{room.sum()}. Lower the budget of pairs, or choose another depth."
        )
    share = np.clip(_level(weights, low, room, total) * weights, low, room)
    counts = np.floor(share).astype(np.int64)
    # Rounded, so that fractions equal but for the arithmetic are equal, and go by position.
    remainder = np.round(share - counts, 9)
    counts[np.argsort(-remainder, kind="stable")[: total - counts.sum()]] += 1
    return counts


def check_budget(total: int, caps: Ints, minimum: int) -> Ints:
    """The least that each prompt gets, min(minimum, caps); refuse a total that cannot be met.

    Raises:
        ShortBudget: `total` is above the sum of the caps, or below the sum of the minima.
    """
    low = np.minimum(minimum, caps)
    if total > caps.sum():
        raise ShortBudget(
            f"{total} pairs are asked for, but the {len(caps)} prompts have only {caps.sum()} usable pairs. "
            "Lower the budget of pairs, or take more prompts or more responses to each."
        )
    if total < low.sum():
        raise ShortBudget(
            f"{total} pairs are asked for, but a minimum of {minimum} for each of the "
            f"{np.count_nonzero(caps)} prompts that have pairs takes {low.sum()}. "
            "Raise the budget of pairs, or take fewer prompts or a lower minimum."
        )
    return low


def _level(weights: Floats, low: Ints, room: Ints, total: int) -> float:
    """The level at which the clipped shares sum to `total`; their sum never falls as the level rises."""
    positive = weights > 0
    if total == low.sum():
        return 0.0
    highest = float(np.max(room[positive] / weights[positive]))

    def surplus(fraction: float) -> float:
        return float(np.clip(fraction * highest * weights, low, room).sum() - total)

    if surplus(1.0) <= 0:
        return highest
    return highest * float(brentq(surplus, 0.0, 1.0, xtol=1e-15, maxiter=1000))
