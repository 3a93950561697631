"""Counter-based noise: against the published splitmix64 stream, and against the Gumbel law."""

import itertools
import math

import torch
from scipy import stats

from harness.models.noise import gumbel, stream_keys

# The first outputs of the reference splitmix64.c (Vigna) for state 0.
SPLITMIX64 = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)


def test_key_zero_at_step_zero_is_the_reference_generator() -> None:
    """Mixing 0 gives 0, so positions 1, 2, 3 are the generator's first three outputs.

    u is the top 52 bits plus a half, over 2^52; the noise is -log(-log u).
    """
    uniform = [((bits >> 12) + 0.5) / 2**52 for bits in SPLITMIX64]
    expected = torch.tensor([[-math.log(-math.log(value)) for value in uniform]], dtype=torch.float64)
    torch.testing.assert_close(gumbel(torch.tensor([0]), 0, 3), expected, rtol=1e-12, atol=0)


def test_noise_follows_the_gumbel_law_over_rows_steps_and_positions() -> None:
    keys = stream_keys(0, "test", [(f"p{row}", 0) for row in range(500)])
    by_position = gumbel(keys[:1], 0, 5000)[0]
    by_row = torch.cat([gumbel(keys, step, 1)[:, 0] for step in range(10)])
    for sample in (by_position, by_row):
        assert stats.kstest(sample.numpy(), "gumbel_r").pvalue > 0.01


def test_rows_and_steps_are_uncorrelated() -> None:
    """With n = 20,000 the correlation of independent draws has a standard deviation of 0.007."""
    keys = stream_keys(0, "test", [("p", 0), ("p", 1)])
    first, second = gumbel(keys, 0, 20_000)
    after = gumbel(keys[:1], 1, 20_000)[0]
    for other in (second, after):
        assert abs(float(torch.corrcoef(torch.stack([first, other]))[0, 1])) < 0.03


def test_every_part_of_the_place_changes_the_key() -> None:
    places = list(itertools.product((0, 1), "ab", "pq", (0, 1)))
    keys = [int(stream_keys(seed, stream, [(prompt, index)])) for seed, stream, prompt, index in places]
    assert len(set(keys)) == len(places) == 16


def test_noise_is_finite_at_both_ends() -> None:
    assert torch.isfinite(gumbel(torch.arange(100), 7, 10_000)).all()
