"""What a board found, in two sentences that claim no more than its tests do."""

from collections.abc import Sequence

from harness.leaderboard.figures import difference_of, sign_of
from harness.leaderboard.table import Row, Table

LISTED = 7
"""Names in one sentence, at most."""


def headline(table: Table) -> list[str]:
    """Who is first in the first section, and who is significantly above or below the baseline there."""
    rows = [row for row in table.rows if row.section == 1]
    first = [row.method for row in rows if row.rank == 1]
    if not first:
        return ["Nothing is ranked yet."]
    ranked = sum(row.rank is not None for row in rows)
    return [_leaders(first, ranked), *_against_baseline(rows, table.baseline)]


def _leaders(first: Sequence[str], ranked: int) -> str:
    if ranked == 1:
        return f"Only {first[0]} is ranked."
    if len(first) == ranked:
        return f"All {ranked} ranked methods share rank 1: none is significantly better than another."
    if len(first) == 1:
        return f"{first[0]} alone has rank 1: some method is significantly better than each of the others."
    return (
        f"{len(first)} of {ranked} ranked methods share rank 1: {names(first)}. No method is significantly "
        "better than any of them."
    )


def _against_baseline(rows: Sequence[Row], baseline: str) -> list[str]:
    signs = {row.method: sign_of(gap) for row in rows if (gap := difference_of(row)) is not None}
    if not signs:
        return []
    above = [method for method, sign in signs.items() if sign > 0]
    below = [method for method, sign in signs.items() if sign < 0]
    return [
        f"Significantly above the baseline {baseline}: {names(above) or 'none'}. "
        f"Significantly below it: {names(below) or 'none'}."
    ]


def names(methods: Sequence[str]) -> str:
    """`a, b and c`; what is beyond the first few is counted."""
    if len(methods) > LISTED:
        return f"{', '.join(methods[: LISTED - 1])} and {len(methods) - LISTED + 1} more"
    return " and ".join(filter(None, [", ".join(methods[:-1]), *methods[-1:]]))
