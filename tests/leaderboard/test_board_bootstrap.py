"""Places in bootstrap draws: their spread by hand, their coverage in simulation, and ties."""

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic_records import WIN_RATE, items, record
from test_board_statistics import drawn

from harness.leaderboard.assemble import make_table
from harness.leaderboard.bootstrap import drawn_means, rank_intervals

Array = NDArray[np.float64]


def means_of(tables: Array, draws: int = 100_000) -> Array:
    return np.concatenate(list(drawn_means(tables, draws, seed=0)))


def test_draws_spread_as_prompts_and_stretched_replicates_do() -> None:
    """Two replicates 0 and 2 of one prompt: drawn means are 0, 1 or 2, a variance of 1/2 about their mean.

    Stretched by sqrt(2) t(1) / z: variance 2 x (12.706 / 1.960)^2 / 2 = 42.03. The second method's prompts
    are 0 and 2 in both replicates: variance 1/2, and no stretch.
    """
    tables = np.array([[[0.0, 0.0], [2.0, 2.0]], [[0.0, 2.0], [0.0, 2.0]]])
    means = means_of(tables)
    assert means.mean(axis=0) == pytest.approx([1, 1], abs=0.05)
    assert means.var(axis=0) == pytest.approx([42.03, 0.5], rel=0.02)


def test_the_same_draw_serves_all_methods() -> None:
    """The second method is the first plus one, so it is first in every draw, however noisy both are."""
    table = drawn(np.random.default_rng(0), (3, 20), 5, 5)
    assert rank_intervals(np.stack([table, table + 1]), draws=2000) == [(2, 2), (1, 1)]


def test_equal_methods_share_their_places() -> None:
    """Not told apart by the rounding of sums: all are first in every draw."""
    table = drawn(np.random.default_rng(1), (3, 50), 1, 1) / 3
    assert rank_intervals(np.stack([table, table, table]), draws=500) == 3 * [(1, 1)]


def test_one_replicate_draws_prompts_only() -> None:
    tables = np.stack([np.array([[0.0, 0.0, 9.0]]), np.array([[1.0, 1.0, 1.0]])])
    assert rank_intervals(tables, draws=2000) == [(1, 2), (1, 2)]


def test_the_intervals_are_the_same_again_and_order_does_not_matter() -> None:
    tables = np.stack([drawn(np.random.default_rng(seed), (3, 40), 0.1, 0.3) for seed in range(6)])
    found = rank_intervals(tables)
    assert rank_intervals(tables) == found
    assert rank_intervals(tables[::-1]) == found[::-1]


@pytest.mark.parametrize(
    ("replicates", "spread", "low"), [(3, 0.0, 0.98), (5, 0.2, 0.94), (3, 0.2, 0.90), (5, 0.6, 0.87)]
)
def test_intervals_hold_the_true_rank(replicates: int, spread: float, low: float) -> None:
    """Eight methods about 0.1 apart, 100 prompts, residual 0.5: the figures of the module's docstring."""
    rng = np.random.default_rng(replicates)
    held = []
    for _ in range(200):
        truth = rng.normal(0, 0.1, 8)
        noise = [drawn(rng, (replicates, 100), 2 * spread, 0.4) / 2 for _ in truth]
        intervals = rank_intervals(truth[:, None, None] + np.stack(noise), draws=1000)
        true_ranks = 1 + (truth[:, None] < truth).sum(axis=1)
        best, worst = np.array(intervals).T
        held.append(np.mean((best <= true_ranks) & (true_ranks <= worst)))
    assert np.mean(held) >= low


def test_rows_carry_their_interval_and_pairs_their_test() -> None:
    """Win rates 20 and 80 with a little noise; an incomplete row has no place, and no pair."""
    records = [
        record(method, seed, items={WIN_RATE: items({f"p{p}": [rate + p % 3 + seed] for p in range(30)})})
        for method, rate in (("dpo", 20.0), ("a", 80.0))
        for seed in range(3)
    ]
    records.append(record("b", 0, items={WIN_RATE: items({"p0": [50.0]})}))
    records[3] = records[3].model_copy(
        update={"items": {WIN_RATE: items({f"p{p}": [80.0 + p % 4] for p in range(30)})}}
    )
    table = make_table(records)
    places = {row.method: row.rank_interval for row in table.rows}
    assert places["b"] is None
    assert places["a"] is not None
    assert places["dpo"] is not None
    assert (places["a"].best, places["a"].worst, places["dpo"].best) == (1, 1, 2)
    (pair,) = table.sections[0].pairs
    assert (pair.method, pair.other) == ("a", "dpo")
    assert pair.mean == pytest.approx(60, abs=1)
    assert pair.p_holm == pair.p
