"""What a board found, in two sentences that claim no more than its tests do."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.leaderboard.figures import difference_of, sign_of
from harness.leaderboard.table import Table

LISTED = 7
"""Names in one sentence, at most."""
IN_ALL_PAIRS = "tested in all pairs together,"
"""Ranks rest on more comparisons than the differences to the baseline, so a row may be better there alone."""


@dataclass(frozen=True)
class Standing:
    """A row as a headline needs it: `sign` is +1 or -1 where it is significantly above or below the baseline.

    None stands for the baseline itself, and for a row that cannot be compared with it.
    """

    method: str
    rank: int | None
    sign: int | None


def standings(table: Table) -> list[Standing]:
    """The rows of the first section."""
    found = []
    for row in table.rows:
        gap = difference_of(row)
        if row.section == 1:
            found.append(Standing(row.method, row.rank, None if gap is None else sign_of(gap)))
    return found


def headline(rows: Sequence[Standing], baseline: str) -> list[str]:
    """Who is first, and who is significantly above or below the baseline."""
    first = [row.method for row in rows if row.rank == 1]
    if not first:
        return ["Nothing is ranked yet."]
    ranked = sum(row.rank is not None for row in rows)
    return [_leaders(first, ranked), *_against_baseline(rows, baseline)]


def _leaders(first: Sequence[str], ranked: int) -> str:
    if ranked == 1:
        return f"Only {first[0]} is ranked."
    if len(first) == ranked:
        return (
            f"All {ranked} ranked methods share rank 1: {IN_ALL_PAIRS} none is significantly better than "
            "another."
        )
    if len(first) == 1:
        return (
            f"{first[0]} alone has rank 1: {IN_ALL_PAIRS} each of the others is significantly worse than "
            "some method."
        )
    return (
        f"{len(first)} of {ranked} ranked methods share rank 1: {names(first)}; {IN_ALL_PAIRS} "
        "no method is significantly better than any of them."
    )


def _against_baseline(rows: Sequence[Standing], baseline: str) -> list[str]:
    if all(row.sign is None for row in rows):
        return []
    above = [row.method for row in rows if row.sign == 1]
    below = [row.method for row in rows if row.sign == -1]
    return [
        f"Tested against the baseline {baseline} alone, significantly better: {names(above) or 'none'}; "
        f"significantly worse: {names(below) or 'none'}."
    ]


def names(methods: Sequence[str]) -> str:
    """`a, b and c`; what is beyond the first few is counted."""
    if len(methods) > LISTED:
        return f"{', '.join(methods[: LISTED - 1])} and {len(methods) - LISTED + 1} more"
    return " and ".join(filter(None, [", ".join(methods[:-1]), *methods[-1:]]))
