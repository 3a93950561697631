"""Losses in which pairs of a batch meet, their running states, and sums of losses; all by hand."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from harness.methods.losses import PairLogprobs, PairLoss, coefficients, dpo
from harness.methods.losses.batch import (
    alpha_dpo,
    aot,
    aot_unpaired,
    bco,
    bco_update,
    beta_dpo,
    kto,
    margin_update,
    token_margin_update,
)
from harness.methods.losses.combined import weighted_sum
from harness.methods.losses.length import simpo

LN3 = math.log(3)


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def batch_of(
    ratio_w: tuple[float, ...], ratio_l: tuple[float, ...], running: tuple[float, ...] | None = None
) -> PairLogprobs:
    """Responses of one token with these log-ratios; the reference gives every one -1."""
    one = torch.ones(len(ratio_w), dtype=torch.float64)
    state = None if running is None else numbers(*running)
    return PairLogprobs(numbers(*ratio_w) - 1, numbers(*ratio_l) - 1, -one, -one, one, one, running=state)


def softplus(x: float) -> float:
    """-log sigmoid(-x)."""
    return math.log(1 + math.exp(x))


def test_kto() -> None:
    """Chosen log-ratios 2 and 0 have the mean 1, rejected ones 1 and -3 the mean -1, cut to 0. beta = ln 3.

    Desirable: 1 - sigmoid(2 ln 3) = 1/10 and 1/2. Undesirable (times 2): 1 - sigmoid(0) = 1/2 and
    1 - sigmoid(4 ln 3) = 1/82. No gradient goes through the means: it is -(1/10)(9/10) and 2/4 times ln 3 for
    the first pair.
    """
    loss = partial(kto, beta=LN3, desirable_weight=1.0, undesirable_weight=2.0)
    pairs = batch_of((2, 0), (1, -3))
    assert loss(pairs).tolist() == pytest.approx([1.1, 0.5 + 2 / 82])
    assert coefficients(loss, pairs)[0].tolist() == pytest.approx([-0.09 * LN3, 0.5 * LN3])


def test_aot() -> None:
    """Policy prefers w by 3 and 0 nats, the reference by 1 and 2: sorted 0 - 1 and 3 - 2.

    So the first pair, of the larger preference, has the margin 1, the second -1.
    """
    pairs = PairLogprobs(
        numbers(-1, -1), numbers(-4, -1), numbers(-1, -1), numbers(-2, -3), numbers(1, 1), numbers(1, 1)
    )
    assert aot(pairs, 1.0).tolist() == pytest.approx([softplus(-1), softplus(1)])
    slopes = 1 / (1 + math.e), 1 / (1 + math.exp(-1))
    found = coefficients(partial(aot, beta=1.0), pairs)
    assert found.flatten().tolist() == pytest.approx([-slopes[0], slopes[0], -slopes[1], slopes[1]])


def test_aot_unpaired() -> None:
    """Chosen log-ratios 3 and 0, rejected 1 and 2: 0 - 1 and 3 - 2.

    The first pair's chosen response meets the second pair's rejected one, at margin 1.
    """
    pairs = batch_of((3, 0), (1, 2))
    assert aot_unpaired(pairs, 1.0).tolist() == pytest.approx([softplus(-1), softplus(1)])
    slopes = 1 / (1 + math.e), 1 / (1 + math.exp(-1))
    found = coefficients(partial(aot_unpaired, beta=1.0), pairs)
    assert found.flatten().tolist() == pytest.approx([-slopes[0], slopes[1], -slopes[1], slopes[0]])


def test_bco() -> None:
    """Shift 1/2; log-ratios 1/2 + ln 3 and 1/2: ln(4/3) + ln 2. Without a state: the batch's own mean."""
    pairs = batch_of((0.5 + LN3,), (0.5,), running=(0.5, 7))
    assert bco(pairs, 1.0).tolist() == pytest.approx([math.log(4 / 3) + math.log(2)])
    assert bco(batch_of((LN3,), (-LN3,)), 1.0).tolist() == pytest.approx([2 * math.log(4 / 3)])


def test_the_shift_of_bco_is_the_mean_of_all_log_ratios() -> None:
    """1, 3, -1, 1: mean 1 of 4. With 5 and 3: (4 + 8) / 6 = 2."""
    first = bco_update(batch_of((1, 3), (-1, 1)), None)
    assert first.tolist() == [1, 4]
    assert bco_update(batch_of((5,), (3,)), first).tolist() == [2, 6]


def test_beta_dpo() -> None:
    """Margins 0, 1, 5 around a running mean of 1. A third is left out: the farthest, 5. The kept mean is 1/2.

    b = 2 (1 + 1 (1/2 - 1)) = 1. The kept two stand for three: 3/2 ln 2 and 3/2 log(1 + 1/e).

    b and what is kept have no gradient. That of -log s(b h) by log p_w is -b s(-b h), by log p_l its
    opposite: times 3/2, -3/2 s(0) = -3/4 and -3/2 s(-1). The pair left out has none.
    """
    pairs = batch_of((0, 1, 5), (0, 0, 0), running=(1, 9))
    loss = partial(beta_dpo, beta=2.0, alpha=1.0, filtered=1 / 3)
    assert loss(pairs).tolist() == pytest.approx([1.5 * math.log(2), 1.5 * softplus(-1), 0])
    slope = 1.5 / (1 + math.e)
    assert coefficients(loss, pairs).flatten().tolist() == pytest.approx([-0.75, 0.75, -slope, slope, 0, 0])


def test_beta_of_beta_dpo_stays_positive() -> None:
    """Running mean 1, margins 0: b = 2 (1 - 5) < 0, so it is 0.001."""
    found = coefficients(
        partial(beta_dpo, beta=2.0, alpha=5.0, filtered=0.0), batch_of((0,), (0,), running=(1, 1))
    )
    assert found.tolist() == [[pytest.approx(-0.0005), pytest.approx(0.0005)]]


def test_equal_margins_are_all_kept() -> None:
    """At the reference no pair is odder than another, so none is left out."""
    found = beta_dpo(batch_of((0, 0, 0), (0, 0, 0)), beta=1.0, alpha=0.6, filtered=0.5)
    assert found.tolist() == pytest.approx([math.log(2)] * 3)


def test_alpha_dpo() -> None:
    """Token margin 1, running mean 1/2 and spread 1/4: z = 2. Log-probabilities 0 and -1: difference 1.

    beta (1 - alpha z) - gamma = 2 (1 - 1/4) - gamma = ln 3. The margin has no gradient of its own: -2/4 and
    2/4.
    """
    pairs = batch_of((1,), (0,), running=(0.5, 0.25))
    loss = partial(alpha_dpo, beta=2.0, gamma=1.5 - LN3, alpha=0.125)
    assert loss(pairs).tolist() == pytest.approx([math.log(4 / 3)])
    assert coefficients(loss, pairs).flatten().tolist() == pytest.approx([-0.5, 0.5])


def test_rounding_is_no_spread() -> None:
    """At the start margins differ by rounding alone; that must not be blown up to z-scores of 1."""
    pairs = batch_of((1e-7, -1e-7), (0, 0))
    plain = simpo(pairs, beta=2.0, gamma=0.5)
    torch.testing.assert_close(alpha_dpo(pairs, beta=2.0, gamma=0.5, alpha=0.2), plain, atol=1e-4, rtol=0)


def test_moving_averages() -> None:
    """Margins 1 and 3: mean 2, spread 1. Then 12 and 12: 0.9 * 2 + 1.2 = 3 and 0.9 * 1 + 0 = 0.9.

    Per token in two tokens each, half of that.
    """
    first, second = batch_of((1, 3), (0, 0)), batch_of((12, 12), (0, 0))
    for update, share in ((margin_update, 1), (token_margin_update, 2)):
        one, two = (replace(batch, len_w=batch.len_w * 2, len_l=batch.len_l * 2) for batch in (first, second))
        state = update(one, None)
        assert state.tolist() == pytest.approx([2 / share, 1 / share])
        assert update(two, state).tolist() == pytest.approx([3 / share, 0.9 / share])


def test_a_weighted_sum() -> None:
    """2 ln 2 + 1/2 of (1/2 + 1/2) at the reference; it needs what its terms need, and keeps no state."""
    terms = [
        PairLoss(partial(dpo, beta=1.0)),
        PairLoss(partial(kto, beta=1.0, desirable_weight=1.0, undesirable_weight=1.0), frozenset({"batch"})),
    ]
    loss = weighted_sum(terms, [2.0, 0.5])
    assert loss.value(batch_of((0,), (0,))).tolist() == pytest.approx([2 * math.log(2) + 0.5])
    assert loss.needs == {"reference", "batch"}
    assert loss.update is None


def test_the_running_terms_of_a_sum_keep_their_own_states() -> None:
    """The shift of BCO and the mean of beta-DPO are found in order, whatever stands between them."""
    shifted = PairLoss(partial(bco, beta=1.0), frozenset({"running"}), bco_update)
    dynamic = PairLoss(
        partial(beta_dpo, beta=1.0, alpha=1.0, filtered=0.0), frozenset({"running"}), margin_update
    )
    loss = weighted_sum([shifted, PairLoss(partial(dpo, beta=1.0)), dynamic], [1.0, 1.0, 1.0])
    assert loss.update is not None
    batches = batch_of((1, 3), (-1, 1)), batch_of((5,), (3,))
    states: list[Tensor | None] = [None, None, None]
    for batch in batches:
        states = [
            update(batch, state)
            for update, state in zip((loss.update, bco_update, margin_update), states, strict=True)
        ]
        whole, *parts = states
        assert whole is not None
        assert whole.tolist() == [number for part in parts if part is not None for number in part]
        expected = [
            term.value(replace(batch, running=state))
            for term, state in zip(
                (shifted, PairLoss(partial(dpo, beta=1.0)), dynamic), (parts[0], None, parts[1]), strict=True
            )
        ]
        torch.testing.assert_close(loss.value(replace(batch, running=whole)), torch.stack(expected).sum(0))
