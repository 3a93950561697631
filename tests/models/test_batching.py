"""Batches of rows of like length."""

import pytest

from harness.models import batching
from harness.models.batching import batches, padding, pads


def test_longest_rows_come_first_and_every_row_once() -> None:
    assert list(batches([3, 9, 1, 9, 5], 2)) == [[1, 3], [4, 0], [2]]


def test_no_rows_give_no_batch() -> None:
    assert list(batches([], 4)) == []


def test_progress_counts_finished_rows() -> None:
    seen: list[tuple[int, int]] = []
    for _ in batches([1] * 5, 2, lambda done, total: seen.append((done, total))):
        pass
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_no_batch_goes_beyond_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows 0-2, 3-5 and 6: what a window's rows are batched with does not depend on other windows."""
    monkeypatch.setattr(batching, "WINDOW", 3)
    assert batching.windows(7) == [(0, 3), (3, 6), (6, 7)]
    lengths = [1, 2, 3, 9, 8, 7, 5]
    seen: list[tuple[int, int]] = []
    found = list(batches(lengths, 2, lambda done, total: seen.append((done, total))))
    assert found == [[2, 1], [0], [3, 4], [5], [6]]
    assert found[2:] == [[at + 3 for at in batch] for batch in batches(lengths[3:], 2)]
    assert seen == [(2, 7), (3, 7), (5, 7), (6, 7), (7, 7)]


def test_pads_fill_each_batch_to_its_longest_row() -> None:
    """(9, 9), (5, 3) and (1) beside each other: 0 + 2 + 0."""
    assert pads([3, 1, 2]) == 3 * 3 - 6
    assert pads([]) == 0
    assert padding([3, 9, 1, 9, 5], 2) == 2
