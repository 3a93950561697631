"""Groups rows of like length into batches, so that little is padded."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

SIZE = 64
"""Rows in a forward pass, unless something else is asked for."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (rows done, rows in all) after each batch."""

WINDOW = 4096
"""Rows within which batches are formed: enough that little is padded."""


def windows(rows: int) -> list[tuple[int, int]]:
    """(first, one past the last) row of each window.

    No batch goes beyond its window. So rows that are cut at windows' edges get, to the last bit, the numbers
    that they get among all.
    """
    return [(first, min(first + WINDOW, rows)) for first in range(0, rows, WINDOW)]


def batches(lengths: Sequence[int], size: int, progress: Progress | None = None) -> Iterator[list[int]]:
    """Yield indices of at most `size` rows each, window by window, longest rows first; every index once.

    Longest first: a batch that does not fit into memory fails at once, not at the end.
    """
    for first, last in windows(len(lengths)):
        order = sorted(range(first, last), key=lambda index: -lengths[index])
        for start in range(0, len(order), size):
            yield order[start : start + size]
            if progress is not None:
                progress(min(first + start + size, last), len(lengths))


def pads(lengths: Sequence[int]) -> int:
    """How many pads bring rows of these lengths to that of the longest."""
    return len(lengths) * max(lengths, default=0) - sum(lengths)


def padding(lengths: Sequence[int], size: int = SIZE) -> int:
    """How many pads run beside the tokens of rows that `batches` groups."""
    return sum(pads([lengths[index] for index in picked]) for picked in batches(lengths, size))
