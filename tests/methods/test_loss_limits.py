"""Where one loss becomes another, or its least value: docs/losses.md says which of this is the papers'."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from harness.methods.losses import PairLogprobs, coefficients
from harness.methods.losses.likelihood import nll, orpo
from harness.stages.losses import loss_of

BETA = 0.3


def random_pairs(equal_lengths: bool = False) -> PairLogprobs:
    """Eight pairs with everything that any loss needs; responses of 3 to 9 tokens."""
    noise = torch.Generator().manual_seed(0)

    def pairs(len_w: torch.Tensor, len_l: torch.Tensor, scale: float) -> PairLogprobs:
        sides = -scale * torch.rand((4, 8), generator=noise, dtype=torch.float64) - 1
        return PairLogprobs(sides[0], sides[1], sides[2], sides[3], len_w, len_l)

    len_w, len_l = torch.randint(3, 10, (2, 8), generator=noise)
    if equal_lengths:
        len_l = len_w
    shorter = torch.minimum(len_w, len_l)
    certainty = -torch.rand((2, 8), generator=noise, dtype=torch.float64)
    common = pairs(shorter, shorter, scale=4.0)
    whole = pairs(len_w, len_l, scale=8.0)
    return replace(whole, common=common, certainty_w=certainty[0], certainty_l=certainty[1])


LIMITS: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
    (kind, {"beta": BETA, **given}, {"kind": "dpo", "beta": BETA})
    for kind, given in [
        ("cdpo", {"label_smoothing": 0.0}),
        ("robust", {"label_smoothing": 0.0}),
        ("r-dpo", {"alpha": 0.0}),
        ("ld-dpo", {"alpha": 1.0}),
        ("dpop", {"penalty": 0.0}),
        ("dpo-sft", {"alpha": 0.0}),
        ("beta-dpo", {"alpha": 0.0, "filtered": 0.0}),
    ]
] + [
    ("alpha-dpo", {"beta": 2.0, "gamma": 0.7, "alpha": 0.0}, {"kind": "simpo", "beta": 2.0, "gamma": 0.7}),
    (
        "sum",
        {"terms": [{"kind": "dpo", "beta": BETA}, {"kind": "dpo", "beta": BETA}], "weights": [0.25, 0.75]},
        {"kind": "dpo", "beta": BETA},
    ),
    (
        "sum",
        {"terms": [{"kind": "cpo", "alpha": 0.0}, {"kind": "orpo"}], "weights": [1e-30, 1.0]},
        {"kind": "orpo"},
    ),
]


@pytest.mark.parametrize(("kind", "given", "other"), LIMITS, ids=lambda value: str(value)[:60])
def test_a_loss_becomes_another(kind: str, given: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    pairs = random_pairs()
    one, two = loss_of({"kind": kind, **given}).value, loss_of(other).value
    assert_close(one(pairs), two(pairs))
    if kind != "ld-dpo":
        assert_close(coefficients(one, pairs), coefficients(two, pairs))


def test_each_limit_is_one_of_several_values() -> None:
    """Away from its limit every loss of the list differs; else the test above shows nothing."""
    pairs = random_pairs()
    for kind in {kind for kind, _, other in LIMITS if other["kind"] == "dpo" and kind != "sum"}:
        beta = {"beta": BETA}
        value = loss_of({"kind": kind, **beta}).value(pairs)
        assert (value - loss_of({"kind": "dpo", **beta}).value(pairs)).abs().max() > 1e-3, kind


def test_with_equal_lengths_token_means_only_scale_beta() -> None:
    """ln-dpo at beta is dpo at beta / |y|; no length is left for r-dpo; LD-DPO has no tail to weigh."""
    pairs = random_pairs(equal_lengths=True)
    dpo = loss_of({"kind": "dpo", "beta": BETA}).value
    for at, length in enumerate(pairs.len_w.tolist()):
        scaled = loss_of({"kind": "ln-dpo", "beta": BETA * length}).value(pairs)
        assert_close(scaled[at], dpo(pairs)[at])
    assert_close(loss_of({"kind": "r-dpo", "beta": BETA, "alpha": 3.0}).value(pairs), dpo(pairs))
    whole = replace(pairs, common=replace(pairs, common=None))
    assert_close(loss_of({"kind": "ld-dpo", "beta": BETA, "alpha": 0.2}).value(whole), dpo(whole))


def test_simpo_with_a_uniform_reference_is_ln_dpo() -> None:
    """A reference that gives every token the same probability has the same mean for all (2405.14734)."""
    pairs = random_pairs()
    uniform = replace(pairs, reference_w=-2.5 * pairs.len_w, reference_l=-2.5 * pairs.len_l)
    simpo = loss_of({"kind": "simpo", "beta": 2.0, "gamma": 0.0}).value(pairs)
    assert_close(simpo, loss_of({"kind": "ln-dpo", "beta": 2.0}).value(uniform))


def test_cpo_without_likelihood_is_dpo_with_a_uniform_reference() -> None:
    """The paper's derivation (2401.08417, section 3): constant reference terms cancel."""
    pairs = random_pairs()
    zero = torch.zeros(8, dtype=torch.float64)
    uniform = replace(pairs, reference_w=zero, reference_l=zero)
    cpo = loss_of({"kind": "cpo", "beta": BETA, "alpha": 0.0}).value(pairs)
    assert_close(cpo, loss_of({"kind": "dpo", "beta": BETA}).value(uniform))


def test_batches_of_one() -> None:
    """With one pair there is nothing to sort: both forms of AOT are DPO. KTO has only its own pair to compare
    with: at a rejected log-ratio below 0 and a chosen one above, z_l = 0 and z_w = r_w.
    """
    pairs = random_pairs()
    one = PairLogprobs(*(getattr(pairs, name)[:1] for name in list(vars(pairs))[:6]))
    dpo = loss_of({"kind": "dpo", "beta": BETA}).value(one)
    for kind in ("aot", "aot-unpaired"):
        assert_close(loss_of({"kind": kind, "beta": BETA}).value(one), dpo)
    apart = replace(one, reference_w=one.policy_w - 2, reference_l=one.policy_l + 1)
    kto = loss_of({"kind": "kto", "beta": BETA}).value(apart)
    expected = torch.sigmoid(torch.tensor([-BETA * 2.0, -BETA * 3.0], dtype=torch.float64)).sum()
    assert_close(kto, expected[None])


def test_bco_without_a_shift() -> None:
    """A state of zeros is TRL's `bco_pair`: -log sigmoid(beta r_w) - log sigmoid(-beta r_l)."""
    pairs = replace(random_pairs(), running=torch.zeros(2, dtype=torch.float64))
    found = loss_of({"kind": "bco", "beta": BETA}).value(pairs)
    expected = -torch.nn.functional.logsigmoid(torch.stack((BETA * pairs.ratio_w, -BETA * pairs.ratio_l)))
    assert_close(found, expected.sum(0))


def test_exo_is_the_reverse_divergence_of_cdpo() -> None:
    """Both are least where sigmoid(beta h) = 1 - e; there EXO is 0, and neither has a slope."""
    e = 0.2
    margin = torch.tensor([(1 - e) / e], dtype=torch.float64).log() / BETA
    zero, one = torch.zeros_like(margin), torch.ones_like(margin)
    pairs = PairLogprobs(margin, zero, zero, zero, one, one)
    for kind in ("exo", "cdpo"):
        loss = loss_of({"kind": kind, "beta": BETA, "label_smoothing": e}).value
        assert_close(coefficients(loss, pairs), torch.zeros(1, 2, dtype=torch.float64))
    assert loss_of({"kind": "exo", "beta": BETA, "label_smoothing": e}).value(pairs).abs().max() < 1e-12


def of_ratios(chosen: list[float], rejected: list[float]) -> PairLogprobs:
    """Pairs of these log-ratios; every response has one token."""
    w, l = torch.tensor((chosen, rejected), dtype=torch.float64)  # noqa: E741
    zero, one = torch.zeros_like(w), torch.ones_like(w)
    return PairLogprobs(w, l, zero, zero, one, one)


def value(pairs: PairLogprobs, kind: str, **given: float) -> Tensor:
    return loss_of({"kind": kind, "beta": BETA, **given}).value(pairs)


def slopes(pairs: PairLogprobs, kind: str, **given: float) -> Tensor:
    """[P, 2] in the log-probabilities of w and l."""
    return coefficients(loss_of({"kind": kind, "beta": BETA, **given}).value, pairs)


def test_wpo_of_a_sure_policy_is_dpo() -> None:
    """Certainties of 0: the weight is exp(0 + 0) = 1. Far below 0 it is 0, and so is the loss."""
    pairs, zero = random_pairs(), torch.zeros(8, dtype=torch.float64)
    sure = replace(pairs, certainty_w=zero, certainty_l=zero)
    assert_close(value(sure, "wpo"), value(sure, "dpo"))
    assert_close(slopes(sure, "wpo"), slopes(sure, "dpo"))
    assert_close(value(replace(sure, certainty_l=zero - 1e4), "wpo"), zero)


def test_discopop_without_tau_is_dpo_on_one_side_and_exponential_on_the_other() -> None:
    """With tau -> 0 m = s(beta h / tau) is 0 where h < 0: -log s(beta h) is left; and 1 where h > 0, which
    leaves exp(-beta h) with the slope -beta exp(-beta h).
    """
    pairs = random_pairs()
    wrong, power = pairs.margin < 0, torch.exp(-BETA * pairs.margin)
    assert wrong.any()
    assert not wrong.all()
    assert_close(value(pairs, "discopop", tau=1e-9), torch.where(wrong, value(pairs, "dpo"), power))
    right, left = torch.stack((-BETA * power, BETA * power), 1), slopes(pairs, "dpo")
    assert_close(slopes(pairs, "discopop", tau=1e-9), torch.where(wrong[:, None], left, right))


def test_hinge_is_dpo_from_afar() -> None:
    """At x = beta h = -60: -log s(x) = 60 + e^-60, 1 - x = 61, both with slope -beta; at 60: e^-60 and 0."""
    pairs = of_ratios([-200, 200], [0, 0])
    assert_close(value(pairs, "hinge") - value(pairs, "dpo"), torch.tensor([1.0, 0.0], dtype=torch.float64))
    assert_close(slopes(pairs, "hinge"), slopes(pairs, "dpo"))


def test_cal_dpo_is_dpo_with_half_of_sppo() -> None:
    """By its formula; at r_w = 1 / (2 beta) = -r_l both squares and their slopes are 0: DPO alone is left."""
    pairs = random_pairs()
    assert_close(value(pairs, "cal-dpo"), value(pairs, "dpo", beta=1.0) + value(pairs, "sppo-hard") / 2)
    target = of_ratios([0.5 / BETA], [-0.5 / BETA])
    assert_close(value(target, "cal-dpo"), value(target, "dpo", beta=1.0))
    assert_close(slopes(target, "cal-dpo"), slopes(target, "dpo", beta=1.0))


def test_sppo_is_half_of_ipo_where_the_sides_are_opposite() -> None:
    """r_w = -r_l = x: 2 (x - 1 / (2 beta))^2; IPO at beta / 2: (2 x - 1 / beta)^2, which is twice as much."""
    pairs = of_ratios([-1, 0.5, 3], [1, -0.5, -3])
    assert_close(2 * value(pairs, "sppo-hard"), value(pairs, "ipo-sum", beta=BETA / 2))


def test_nca_is_least_at_the_density_ratio_of_the_chosen_response() -> None:
    """K p = 2 for the chosen one of two responses: R_w = ln 2 and s = 2/3, slope -(1 - s) + s / 2 = 0, value
    -ln(2/3) - ln(1/3) / 2; K p = 0 for the other: R_l -> -inf. At the reference: ln 2 + 2 (ln 2) / 2.
    """
    pairs = of_ratios([math.log(2) / BETA, 0], [-300, 0])
    expected = torch.tensor([math.log(1.5) + math.log(3) / 2, 2 * math.log(2)], dtype=torch.float64)
    assert_close(value(pairs, "nca"), expected)
    assert_close(slopes(pairs, "nca")[0], torch.zeros(2, dtype=torch.float64))


def test_apo_zero_is_kto_with_its_reference_point_at_zero() -> None:
    """Both means are below 0, so z = 0: 1 - s(beta r_w) + 1 - s(-beta r_l), and 1 - s(-x) = s(x)."""
    pairs = of_ratios([-1, 0.5, -2], [-3, 0.2, -1])
    assert_close(value(pairs, "apo-zero"), value(pairs, "kto"))
    assert_close(slopes(pairs, "apo-zero"), slopes(pairs, "kto"))


def test_apo_down_is_apo_zero_where_the_chosen_response_stays() -> None:
    """r_w = 0: 1/2 + 1 - s(-beta r_l) and 1 - 1/2 + s(beta r_l). Past r_l -> -inf it is s(beta r_w)."""
    pairs = of_ratios([0, 0, 0], [-2, 1, 4])
    assert_close(value(pairs, "apo-down"), value(pairs, "apo-zero"))
    far = of_ratios([-1, 2], [-500, -500])
    assert_close(value(far, "apo-down"), torch.sigmoid(BETA * far.ratio_w))


def test_bpo_margin_is_hinge_where_the_sides_are_opposite() -> None:
    """At alpha = 1, r_w = -r_l = x: min(x, x) = h / 2, so hinge at beta / 2. Where r_l < 0 and alpha -> inf,
    the chosen response alone counts: max(0, 1 - beta r_w).
    """
    pairs = of_ratios([-1, 0.5, 9], [1, -0.5, -9])
    assert_close(value(pairs, "bpo-margin", alpha=1.0), value(pairs, "hinge", beta=BETA / 2))
    below = of_ratios([-1, 0.5, 9], [-1, -0.5, -9])
    assert_close(value(below, "bpo-margin", alpha=1e9), torch.relu(1 - BETA * below.ratio_w))


def test_orpo_of_unlikely_responses_is_simpo_with_likelihood() -> None:
    """With p -> 0 the odds p / (1 - p) are p: the term is -log s of the difference of token means. At beta 0
    nothing but the likelihood is left.
    """
    pairs = random_pairs()
    rare = replace(pairs, policy_w=1000 * pairs.policy_w, policy_l=1000 * pairs.policy_l)
    expected = nll(rare) + BETA * value(rare, "simpo", beta=1.0, gamma=0.0)
    assert_close(value(rare, "orpo"), expected)
    assert_close(orpo(pairs, 0.0), nll(pairs))
