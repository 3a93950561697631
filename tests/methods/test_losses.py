"""Every loss by hand, and the gradient of each pair by linearity against direct autograd."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from tiny_lora import adapted, logprob, plain_gradient, random_rows

from harness.methods.losses import PairLogprobs, coefficients, dpo, implicit_rewards
from harness.methods.losses.length import ipo, ld_dpo, ln_dpo, r_dpo, simpo
from harness.methods.losses.likelihood import cpo, dpo_sft, orpo
from harness.methods.losses.margin import cdpo, discopop, exo, hinge, ipo_sum, robust, wpo
from harness.methods.losses.pairs import pairs_of_responses
from harness.methods.losses.pointwise import apo_down, apo_zero, bpo_margin, cal_dpo, dpop, nca, sppo_hard
from harness.recipe.losses import needs_in_words
from harness.recipe.schema import KINDS, kind_of
from harness.stages.losses import loss_of

LN3 = math.log(3)
THREE_TO_ONE = math.log(4 / 3)
"""-log sigmoid(ln 3) = -log(3/4); its derivative is -1/4."""


def pairs_of(*rows: tuple[float, ...]) -> PairLogprobs:
    """One row for each pair: policy w and l, reference w and l, lengths w and l."""
    policy_w, policy_l, reference_w, reference_l, len_w, len_l = torch.tensor(rows, dtype=torch.float64).T
    return PairLogprobs(policy_w, policy_l, reference_w, reference_l, len_w, len_l)


def ratios_of(*rows: tuple[float, float]) -> PairLogprobs:
    """Pairs of these log-ratios, all responses of one token."""
    return pairs_of(*((w, l, 0, 0, 1, 1) for w, l in rows))  # noqa: E741


def check(
    loss: Callable[..., torch.Tensor], pairs: PairLogprobs, value: float, *sides: float, **given: float
) -> None:
    """The loss of one pair, and its derivatives in the log-probabilities of w and l."""
    assert loss(pairs, **given).tolist() == pytest.approx([value])
    assert coefficients(partial(loss, **given), pairs)[0].tolist() == pytest.approx(list(sides))


def test_dpo() -> None:
    """Margin 0: ln 2. Margin ln 3: sigmoid(ln 3) is 3/4, so ln(4/3); at beta 2 it is 9/10, so ln(10/9).

    dl/ds_w = -beta (1 - sigmoid(beta margin)): -1/2, -1/4, -2/10; dl/ds_l is the opposite.
    """
    check(dpo, pairs_of((-5, -7, -5, -7, 1, 1)), math.log(2), -0.5, 0.5, beta=1)
    pairs = pairs_of((-5, -7 - LN3, -5, -7, 1, 1))
    check(dpo, pairs, THREE_TO_ONE, -0.25, 0.25, beta=1)
    check(dpo, pairs, math.log(10 / 9), -0.2, 0.2, beta=2)


def test_cdpo() -> None:
    """With e = 1/4 and sigmoid(h) = 3/4: -(3/4) ln(3/4) - (1/4) ln(1/4), the least there is."""
    value = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    check(cdpo, ratios_of((LN3, 0)), value, 0, 0, beta=1, label_smoothing=0.25)


def test_robust() -> None:
    """The same with plus, over 1/2. dl/dh = (-(3/4)(1/4) - (1/4)(3/4)) / (1/2) = -3/4."""
    value = (-0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / 0.5
    check(robust, ratios_of((LN3, 0)), value, -0.75, 0.75, beta=1, label_smoothing=0.25)


def test_hinge() -> None:
    """Margins 0, 1 and 3 at beta 0.5: 1, 0.5 and 0; past the margin nothing pulls."""
    check(hinge, ratios_of((0, 0)), 1, -0.5, 0.5, beta=0.5)
    check(hinge, ratios_of((1, 0)), 0.5, -0.5, 0.5, beta=0.5)
    check(hinge, ratios_of((3, 0)), 0, 0, 0, beta=0.5)


def test_ipo() -> None:
    """Log-ratios 2 in 4 tokens and -1 in 2: h = 0.5 + 0.5 = 1; beta 0.25: (1 - 2)^2 = 1.

    dl/dh = 2 (h - 2) = -2, so -2/4 and 2/2. A response without tokens has no ratio to divide: (0.5 - 2)^2.
    In sums h = 3: (3 - 2)^2 = 1, and dl/dh = 2.
    """
    pairs = pairs_of((-3, -6, -5, -5, 4, 2))
    check(ipo, pairs, 1, -0.5, 1, beta=0.25)
    assert ipo(pairs_of((-3, 0, -5, 0, 4, 0)), 0.25).tolist() == [2.25]
    check(ipo_sum, pairs, 1, 2, -2, beta=0.25)


def test_exo() -> None:
    """At h = 0 with e = 1/4: (1/2) ln((1/2) / (3/4)) + (1/2) ln((1/2) / (1/4)) = (1/2) ln(4/3).

    dq/dh = 1/4, so dl/dh = (1/4)(ln(2/3) - ln 2) = -(1/4) ln 3; the entropy's own terms cancel.
    """
    check(exo, ratios_of((0, 0)), 0.5 * THREE_TO_ONE, -LN3 / 4, LN3 / 4, beta=1, label_smoothing=0.25)


def test_discopop() -> None:
    """At h = 0: m = 1/2, so (ln 2 + 1) / 2. dm/dh = 1 / (4 tau).

    dl/dh = -dm ln 2 - (1/2)(1/2) + dm - 1/2 = dm (1 - ln 2) - 3/4: at tau = 0.05, dm = 5, it is 0.78 > 0. So
    at the start the loss lowers the chosen response. At tau = 1 it is -0.67.
    """
    value = (math.log(2) + 1) / 2
    for tau in (0.05, 1.0):
        slope = (1 - math.log(2)) / (4 * tau) - 0.75
        assert (slope > 0) == (tau == 0.05)
        check(discopop, ratios_of((0, 0)), value, slope, -slope, beta=1, tau=tau)


def test_wpo() -> None:
    """Certainties ln(1/2) and 0 halve the DPO loss, with no gradient of their own; at most it stays."""
    half = ratios_of((LN3, 0))
    sure = (torch.tensor([-math.log(2)]), torch.tensor([0.0]))
    half = PairLogprobs(**vars(half) | {"certainty_w": sure[0], "certainty_l": sure[1]})
    check(wpo, half, THREE_TO_ONE / 2, -0.125, 0.125, beta=1)
    whole = PairLogprobs(**vars(half) | {"certainty_w": -sure[0]})
    check(wpo, whole, THREE_TO_ONE, -0.25, 0.25, beta=1)


def test_ln_dpo() -> None:
    """Log-ratios 2 in 4 tokens and -1 in 2: h = 1; at beta ln 3 the slopes are ln 3 / 4 over the lengths."""
    check(ln_dpo, pairs_of((-3, -6, -5, -5, 4, 2)), THREE_TO_ONE, -LN3 / 16, LN3 / 8, beta=LN3)


def test_simpo() -> None:
    """Log-probabilities -4 in 4 tokens and -4 in 2: -1 + 2 = 1; 2 * 1 - (2 - ln 3) = ln 3."""
    pairs = pairs_of((-4, -4, 0, 0, 4, 2))
    check(simpo, pairs, THREE_TO_ONE, -2 / 16, 2 / 8, beta=2, gamma=2 - LN3)


def test_r_dpo() -> None:
    """Margin 0, one token longer: 0 + alpha = ln 3. So length already explains the preference."""
    check(r_dpo, pairs_of((-5, -7, -5, -7, 3, 2)), THREE_TO_ONE, -0.25, 0.25, beta=1, alpha=LN3)


def test_ld_dpo() -> None:
    """Margin 2 of the whole, 1 of the common length; alpha 1/4: (1/4) 2 + (3/4) 1 = 5/4."""
    pairs = pairs_of((-3, -5, -5, -5, 6, 2))
    pairs = PairLogprobs(**vars(pairs) | {"common": pairs_of((-2, -5, -3, -5, 2, 2))})
    assert ld_dpo(pairs, beta=LN3 * 0.8, alpha=0.25).tolist() == pytest.approx([THREE_TO_ONE])


def test_apo() -> None:
    """Log-ratios ln 3 and 0: sigmoids 3/4 and 1/2 with slopes 3/16 and 1/4; the margin is ln 3 too.

    zero: 1/4 + 1/2. down: 3/4 + 1/4, where the two slopes in w cancel.
    """
    pairs = ratios_of((LN3, 0))
    check(apo_zero, pairs, 0.75, -3 / 16, 1 / 4, beta=1)
    check(apo_down, pairs, 1, 0, 3 / 16, beta=1)


def test_nca() -> None:
    """Log-ratios ln 3 and 0: ln(4/3) + (1/2) ln 4 + (1/2) ln 2; slopes -1/4 + (1/2)(3/4) and (1/2)(1/2)."""
    check(nca, ratios_of((LN3, 0)), THREE_TO_ONE + 1.5 * math.log(2), 1 / 8, 1 / 4, beta=1)


def test_squared_targets() -> None:
    """At beta 1/4 the targets are 2 and -2; log-ratios 1 and -1 miss each by 1: 1 + 1, slopes -2 and 2.

    Cal-DPO adds half of that to -log sigmoid(2), whose slope is -1 / (1 + e^2).
    """
    pairs = ratios_of((1, -1))
    check(sppo_hard, pairs, 2, -2, 2, beta=0.25)
    slope = 1 / (1 + math.exp(2))
    check(cal_dpo, pairs, math.log(1 + math.exp(-2)) + 1, -1 - slope, 1 + slope, beta=0.25)


def test_dpop() -> None:
    """Log-ratios -1 and -3: margin 2, less the penalty 2 * 1: 0. The chosen side pulls thrice as hard."""
    check(dpop, ratios_of((-1, -3)), math.log(2), -1.5, 0.5, beta=1, penalty=2)


def test_bpo_margin() -> None:
    """min(1, (1/2) 1) = 1/2, so only the rejected response is moved; at the reference both are, by half."""
    check(bpo_margin, ratios_of((1, -1)), 0.5, 0, 0.5, beta=1, alpha=0.5)
    check(bpo_margin, ratios_of((0, 0)), 1, -0.5, 0.25, beta=1, alpha=0.5)


def test_orpo() -> None:
    """Per token p = 1/2 and 1/4, so odds 1 and 1/3, ratio 3: ln 2 + ln(4/3).

    d log odds / d log p = 1 / (1 - p) = 2 and 4/3; over 2 tokens: (-1 - 2/4) / 2 and (4/3)/4 / 2.
    """
    pairs = pairs_of((-2 * math.log(2), -2 * math.log(4), 0, 0, 2, 2))
    check(orpo, pairs, math.log(2) + THREE_TO_ONE, -0.75, 1 / 6, beta=1)


def test_cpo() -> None:
    """Log-probabilities -2 and -2 - ln 3 in 2 tokens: ln(4/3) + (1/2) 1; slope -1/4 - (1/2) / 2."""
    pairs = pairs_of((-2, -2 - LN3, -9, -1, 2, 2))
    check(cpo, pairs, THREE_TO_ONE + 0.5, -0.5, 0.25, beta=1, alpha=0.5)


def test_dpo_sft() -> None:
    """Margin 0, log-probability -6 in 3 tokens: ln 2 + (1/2) 2; slope -1/2 - (1/2) / 3."""
    pairs = pairs_of((-6, -7, -6, -7, 3, 1))
    check(dpo_sft, pairs, math.log(2) + 1, -2 / 3, 0.5, beta=1, alpha=0.5)


def test_implicit_rewards() -> None:
    """Log-ratios 2 and -1, then 0 and 0: a tie is no hit."""
    policy = torch.tensor([-3.0, -5.0], requires_grad=True)
    same = torch.tensor([-5.0, -5.0])
    found = implicit_rewards(PairLogprobs(policy, torch.tensor([-6.0, -5.0]), same, same, same, same))
    assert [part.tolist() for part in vars(found).values()] == [[2, 0], [-1, 0], [3, 0], [1, 0]]
    assert not any(part.requires_grad for part in vars(found).values())


def test_coefficients_are_taken_under_no_grad_too() -> None:
    with torch.no_grad():
        assert coefficients(partial(dpo, beta=0.3), ratios_of((0, 0))).tolist() == [[-0.15, 0.15]]


SUM = {"terms": [{"kind": "dpo"}, {"kind": "kto"}, {"kind": "simpo"}], "weights": [1.0, 0.5, 2.0]}
TABLES = [
    {"kind": kind_of(variant)} | (SUM if kind_of(variant) == "sum" else {})
    for variant in KINDS["loss"]
    if "common" not in needs_in_words(variant)
]


@pytest.fixture(scope="module", params=[0.0, 0.1], ids=["at-the-reference", "away-from-it"])
def known(request: pytest.FixtureRequest) -> tuple[Any, ...]:
    """Four responses of unequal length to a prompt, under a model and its reference, with their gradients."""
    model = adapted("llama", request.param).eval()
    prompt, rows = random_rows(1)[0].prompt, random_rows(4, seed=3)
    rows = [type(row)(prompt, row.response) for row in rows]
    assert len({len(row) for row in rows}) > 1
    lengths = torch.tensor([float(len(row.response)) for row in rows])
    with torch.no_grad(), model.disable_adapter():  # type: ignore[operator]
        reference = torch.stack([logprob(model, row) for row in rows])
    single = [plain_gradient(model, logprob(model, row)) for row in rows]
    return model, rows, reference, lengths, single


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table["kind"])
def test_the_gradient_of_a_batch_is_a_combination_of_its_responses(
    known: tuple[Any, ...], table: dict[str, Any]
) -> None:
    """All 6 pairs of 4 responses, before any sketch, fp32: relative error <= 1e-5.

    Losses that depend on the batch see the six as one, so it is the gradient of their sum that must be right;
    the others see each alone.
    """
    model, rows, reference, lengths, single = known
    loss = loss_of(table)
    chosen, rejected = torch.tril_indices(4, 4, -1)
    together = "batch" in loss.needs
    batches = [torch.arange(6)] if together else list(torch.arange(6)[:, None])
    for batch in batches:
        policy = torch.stack([logprob(model, row) for row in rows])
        pairs = pairs_of_responses(policy, reference, lengths, chosen[batch], rejected[batch])
        factors = coefficients(loss.value, pairs)
        direct = plain_gradient(model, loss.value(pairs).sum())
        errors = [
            sum(
                w * single[chosen[at]][key] + l * single[rejected[at]][key]
                for at, (w, l) in zip(batch, factors, strict=True)  # noqa: E741
            )
            - direct[key]
            for key in direct
        ]
        length = torch.cat([part.flatten() for part in direct.values()]).norm()
        assert length > 0
        assert torch.cat([error.flatten() for error in errors]).norm() <= 1e-5 * length
