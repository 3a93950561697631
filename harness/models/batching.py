"""Groups rows of like length into batches, so that little is padded."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

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
