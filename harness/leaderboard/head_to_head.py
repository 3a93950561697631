"""Win rates of methods against each other, each two judged side by side; pure arithmetic on records."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from harness.leaderboard.record import Record
from harness.leaderboard.scores import Judged, rectangle
from harness.leaderboard.statistics import Estimate, Noise, estimate, family_p, holm
from harness.leaderboard.table import Contest, Unjudged

EVEN = 50.0
"""The win rate against an equal."""


def head_to_head(methods: Mapping[str, Sequence[Record]]) -> list[Contest]:
    """Each two methods that were judged side by side once, the first named first in `methods`.

    The interval is that of `statistics.estimate`; p tests the win rate against 50, and `p_holm` allows for
    all pairs and for the noise of replicates pooled over them (`pooled_noise`).
    """
    tables = {
        pair: table
        for pair in combinations(methods, 2)
        if (table := _table(methods[pair[0]], pair[1])) is not None
    }
    found = {pair: estimate(table - EVEN) for pair, table in tables.items()}
    noise = pooled_noise(tables) if len(tables) > 1 else None
    adjusted = holm([family_p(gap, noise) for gap in found.values()])
    return [
        _contest(pair, gap, p_holm, methods[pair[0]])
        for (pair, gap), p_holm in zip(found.items(), adjusted, strict=True)
    ]


def lacking_verdicts(methods: Mapping[str, Sequence[Record]]) -> list[Unjudged]:
    """Each two methods without any verdict in a replicate that both have, where the recipe asks for it."""
    found = []
    for one, other in combinations(methods, 2):
        theirs = {record.replicate for record in methods[other]}
        both = [record for record in methods[one] if record.replicate in theirs]
        seeds = [record.replicate for record in both if _is_asked(record) and not _against(record, other)]
        if seeds:
            found.append(Unjudged(one, other, seeds))
    return found


def _is_asked(record: Record) -> bool:
    return bool(record.fixed.get("evaluation", {}).get("head_to_head"))


def pooled_noise(tables: Mapping[tuple[str, str], NDArray[np.float64]]) -> Noise | None:
    """The noise of a replicate in a win rate, over pairs [replicates, prompts] that have every replicate.

    It is the mean over pairs of the variance between replicates. Where a replicate moves methods, and a pair
    by the difference of its two, that mean is `statistics.replicate_noise` of the methods exactly, so it has
    (methods - 1) (replicates - 1) degrees of freedom; with few pairs, at most pairs x (replicates - 1).
    """
    replicates = max(table.shape[0] for table in tables.values())
    whole = {pair: table for pair, table in tables.items() if table.shape[0] == replicates}
    if replicates == 1:
        return None
    variance = float(np.mean([table.mean(axis=1).var(ddof=1) for table in whole.values()]))
    methods = len({name for pair in whole for name in pair})
    return Noise(variance, min(len(whole), methods - 1) * (replicates - 1))


def _table(records: Sequence[Record], other: str) -> NDArray[np.float64] | None:
    """Win rates [replicates, prompts] against `other`, of the prompts judged in every replicate."""
    judged: Judged = {record.replicate: items for record in records if (items := _against(record, other))}
    tables = rectangle(judged) if judged else None
    return None if tables is None else tables[0]


def _against(record: Record, other: str) -> dict[str, float]:
    contests = record.head_to_head
    if contests is None or other not in contests.values:
        return {}
    pairs = zip(contests.ids, contests.values[other], strict=True)
    return {item: value for item, value in pairs if value is not None}


def _contest(
    pair: tuple[str, str], gap: Estimate, p_holm: float | None, records: Sequence[Record]
) -> Contest:
    counts = [record.head_to_head for record in records if record.head_to_head is not None]
    return Contest(
        *pair,
        win_rate=EVEN + gap.mean,
        ci_low=None if gap.ci_low is None else EVEN + gap.ci_low,
        ci_high=None if gap.ci_high is None else EVEN + gap.ci_high,
        p=gap.p,
        p_holm=p_holm,
        missing=sum(one.missing.get(pair[1], 0) for one in counts),
        flips=sum(one.flips.get(pair[1], 0) for one in counts),
    )
