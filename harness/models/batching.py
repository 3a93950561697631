"""Groups rows of like length into batches, so that little is padded."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

SIZE = 64
"""Rows in a forward pass, unless something else is asked for."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (rows done, rows in all) after each batch."""


def batches(lengths: Sequence[int], size: int, progress: Progress | None = None) -> Iterator[list[int]]:
    """Yield indices of at most `size` rows each, longest rows first; every index once.

    Longest first: a batch that does not fit into memory fails at once, not at the end.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    for start in range(0, len(order), size):
        yield order[start : start + size]
        if progress is not None:
            progress(min(start + size, len(order)), len(order))


def pads(lengths: Sequence[int]) -> int:
    """How many pads bring rows of these lengths to that of the longest."""
    return len(lengths) * max(lengths, default=0) - sum(lengths)


def padding(lengths: Sequence[int], size: int = SIZE) -> int:
    """How many pads run beside the tokens of rows that `batches` groups."""
    return sum(pads([lengths[index] for index in picked]) for picked in batches(lengths, size))
