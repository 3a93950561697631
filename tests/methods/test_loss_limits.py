"""Where the papers say that one loss becomes another: equal values and gradients on random pairs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from harness.methods.losses import PairLogprobs, coefficients
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
    torch.testing.assert_close(one(pairs), two(pairs))
    if kind != "ld-dpo":
        torch.testing.assert_close(coefficients(one, pairs), coefficients(two, pairs))


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
        torch.testing.assert_close(scaled[at], dpo(pairs)[at])
    torch.testing.assert_close(
        loss_of({"kind": "r-dpo", "beta": BETA, "alpha": 3.0}).value(pairs), dpo(pairs)
    )
    whole = replace(pairs, common=replace(pairs, common=None))
    torch.testing.assert_close(
        loss_of({"kind": "ld-dpo", "beta": BETA, "alpha": 0.2}).value(whole), dpo(whole)
    )


def test_simpo_with_a_uniform_reference_is_ln_dpo() -> None:
    """A reference that gives every token the same probability has the same mean for all (2405.14734)."""
    pairs = random_pairs()
    uniform = replace(pairs, reference_w=-2.5 * pairs.len_w, reference_l=-2.5 * pairs.len_l)
    simpo = loss_of({"kind": "simpo", "beta": 2.0, "gamma": 0.0}).value(pairs)
    torch.testing.assert_close(simpo, loss_of({"kind": "ln-dpo", "beta": 2.0}).value(uniform))


def test_cpo_without_likelihood_is_dpo_with_a_uniform_reference() -> None:
    """The paper's derivation (2401.08417, section 3): constant reference terms cancel."""
    pairs = random_pairs()
    zero = torch.zeros(8, dtype=torch.float64)
    uniform = replace(pairs, reference_w=zero, reference_l=zero)
    cpo = loss_of({"kind": "cpo", "beta": BETA, "alpha": 0.0}).value(pairs)
    torch.testing.assert_close(cpo, loss_of({"kind": "dpo", "beta": BETA}).value(uniform))


def test_batches_of_one() -> None:
    """With one pair there is nothing to sort: both forms of AOT are DPO. KTO has only its own pair to compare
    with: at a rejected log-ratio below 0 and a chosen one above, z_l = 0 and z_w = r_w.
    """
    pairs = random_pairs()
    one = PairLogprobs(*(getattr(pairs, name)[:1] for name in list(vars(pairs))[:6]))
    dpo = loss_of({"kind": "dpo", "beta": BETA}).value(one)
    for kind in ("aot", "aot-unpaired"):
        torch.testing.assert_close(loss_of({"kind": kind, "beta": BETA}).value(one), dpo)
    apart = replace(one, reference_w=one.policy_w - 2, reference_l=one.policy_l + 1)
    kto = loss_of({"kind": "kto", "beta": BETA}).value(apart)
    expected = torch.sigmoid(torch.tensor([-BETA * 2.0, -BETA * 3.0], dtype=torch.float64)).sum()
    torch.testing.assert_close(kto, expected[None])


def test_bco_without_a_shift() -> None:
    """A state of zeros is TRL's `bco_pair`: -log sigmoid(beta r_w) - log sigmoid(-beta r_l)."""
    pairs = replace(random_pairs(), running=torch.zeros(2, dtype=torch.float64))
    found = loss_of({"kind": "bco", "beta": BETA}).value(pairs)
    expected = -torch.nn.functional.logsigmoid(torch.stack((BETA * pairs.ratio_w, -BETA * pairs.ratio_l)))
    torch.testing.assert_close(found, expected.sum(0))


def test_exo_is_the_reverse_divergence_of_cdpo() -> None:
    """Both are least where sigmoid(beta h) = 1 - e; there EXO is 0, and neither has a slope."""
    e = 0.2
    margin = torch.tensor([(1 - e) / e], dtype=torch.float64).log() / BETA
    zero, one = torch.zeros_like(margin), torch.ones_like(margin)
    pairs = PairLogprobs(margin, zero, zero, zero, one, one)
    for kind in ("exo", "cdpo"):
        loss = loss_of({"kind": kind, "beta": BETA, "label_smoothing": e}).value
        torch.testing.assert_close(coefficients(loss, pairs), torch.zeros(1, 2, dtype=torch.float64))
    assert loss_of({"kind": "exo", "beta": BETA, "label_smoothing": e}).value(pairs).abs().max() < 1e-12
