"""Batches of rows of like length."""

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


def test_pads_fill_each_batch_to_its_longest_row() -> None:
    """(9, 9), (5, 3) and (1) beside each other: 0 + 2 + 0."""
    assert pads([3, 1, 2]) == 3 * 3 - 6
    assert pads([]) == 0
    assert padding([3, 9, 1, 9, 5], 2) == 2
