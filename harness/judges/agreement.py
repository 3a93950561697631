"""How often a judge agrees with people, and with itself when the order is swapped: for choosing one."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.judges.base import Contest, Judge


@dataclass(frozen=True)
class Agreement:
    """Shares from 0 to 1 over `judged` contests, those with a verdict in both orders; `missing` had none.

    `accuracy` is over both orders, a tie counting half. `flips` is the share with opposite verdicts in the
    two orders, and `first` the share of verdicts for the text shown first (a half of ties): 0.5 without bias.
    """

    judged: int
    missing: int
    accuracy: float
    flips: float
    first: float


def agreement(judge: Judge, contests: Sequence[Contest], labels: Sequence[float]) -> Agreement:
    """Ask a judge for contests that people decided, each both ways round.

    Args:
        judge: one that asks in the order given; one that averages both orders itself never flips.
        contests: what it is asked.
        labels: 1 (people prefer the first) or 2 (the second), one for each.

    Raises:
        ValueError: the judge came to no verdict at all, so that nothing is known of it.
    """
    turned = [Contest(contest.prompt, contest.second, contest.first) for contest in contests]
    given = judge.preferences([*contests, *turned])
    both = [
        (label, one, other)
        for label, one, other in zip(labels, given[: len(contests)], given[len(contests) :], strict=True)
        if one is not None and other is not None
    ]
    if not both:
        raise ValueError(f"judge {judge.id}: no verdict on any of {len(contests)} contests")
    right = [_share(label, one) + _share(label, 3 - other) for label, one, other in both]
    return Agreement(
        judged=len(both),
        missing=len(contests) - len(both),
        accuracy=sum(right) / (2 * len(both)),
        flips=sum((one - 1.5) * (1.5 - other) < 0 for _, one, other in both) / len(both),
        first=sum(_share(1, one) + _share(1, other) for _, one, other in both) / (2 * len(both)),
    )


def _share(label: float, preference: float) -> float:
    """1 where a verdict sides with the label, 0.5 for a tie, 0 else."""
    return 0.5 + 0.5 * ((preference > 1.5) - (preference < 1.5)) * (1 if label == 2 else -1)
