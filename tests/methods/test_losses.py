"""Preference losses by hand, and the gradient of each pair by linearity against direct autograd."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from tiny_lora import adapted, logprob, plain_gradient, random_rows
from torch import Tensor

from harness.methods.losses import Loss, PairLogprobs, coefficients, dpo, hinge, ipo

BETA = 0.3
LOSSES: dict[str, Loss] = {
    "dpo": partial(dpo, beta=BETA),
    "ipo": partial(ipo, beta=BETA),
    "hinge": partial(hinge, beta=BETA),
}


def pairs_of(*rows: tuple[float, ...]) -> PairLogprobs:
    """One row for each pair, in the order of the fields."""
    return PairLogprobs(*torch.tensor(rows, dtype=torch.float64).T)


def test_dpo_by_hand() -> None:
    """Margin 0: ln 2. Margin ln 3: sigmoid(ln 3) is 3/4, so ln(4/3); at beta 2 it is 9/10, so ln(10/9).

    dl/ds_w = -beta (1 - sigmoid(beta margin)): -1/2, then -1/4; dl/ds_l is the opposite.
    """
    pairs = pairs_of((-5, -7, -5, -7, 1, 1), (-5, -7 - math.log(3), -5, -7, 1, 1))
    assert dpo(pairs, 1.0).tolist() == pytest.approx([math.log(2), math.log(4 / 3)])
    assert dpo(pairs, 2.0).tolist() == pytest.approx([math.log(2), math.log(10 / 9)])
    found = coefficients(partial(dpo, beta=1.0), pairs)
    torch.testing.assert_close(found, torch.tensor([[-0.5, 0.5], [-0.25, 0.25]], dtype=torch.float64))


def test_ipo_by_hand() -> None:
    """Log-ratios 2 in 4 tokens and -1 in 2: h = 0.5 + 0.5 = 1; beta 0.25: (1 - 2)^2 = 1.

    dl/dh = 2 (h - 2) = -2, so -2/4 and 2/2. A response without tokens has no ratio to divide.
    """
    pairs = pairs_of((-3, -6, -5, -5, 4, 2), (-3, 0, -5, 0, 4, 0))
    assert ipo(pairs, 0.25).tolist() == [1.0, 2.25]
    assert coefficients(partial(ipo, beta=0.25), pairs)[0].tolist() == [-0.5, 1.0]


def test_hinge_by_hand() -> None:
    """Margins 0, 1 and 3 at beta 0.5: 1, 0.5 and 0; past the margin nothing pulls."""
    pairs = pairs_of((0, 0, 0, 0, 1, 1), (1, 0, 0, 0, 1, 1), (3, 0, 0, 0, 1, 1))
    assert hinge(pairs, 0.5).tolist() == [1.0, 0.5, 0.0]
    assert coefficients(partial(hinge, beta=0.5), pairs).tolist() == [[-0.5, 0.5], [-0.5, 0.5], [0.0, 0.0]]


def test_coefficients_are_taken_under_no_grad_too() -> None:
    with torch.no_grad():
        assert coefficients(LOSSES["dpo"], pairs_of((0, 0, 0, 0, 1, 1))).tolist() == [[-0.15, 0.15]]


@pytest.mark.parametrize("b_std", [0.0, 0.1], ids=["at-the-reference", "away-from-it"])
@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_of_a_pair_is_a_combination_of_its_responses(name: str, b_std: float) -> None:
    """All 6 pairs of 4 responses of unequal length, before any sketch, fp32: relative error <= 1e-5."""
    model, loss = adapted("llama", b_std).eval(), LOSSES[name]
    prompt, rows = random_rows(1)[0].prompt, random_rows(4, seed=3)
    rows = [type(row)(prompt, row.response) for row in rows]
    assert len({len(row) for row in rows}) > 1
    lengths = torch.tensor([float(len(row.response)) for row in rows])
    with torch.no_grad(), model.disable_adapter():  # type: ignore[operator]
        reference = torch.stack([logprob(model, row) for row in rows])
    single = [plain_gradient(model, logprob(model, row)) for row in rows]

    def pair(policy: Callable[[int], Tensor], w: int, l: int) -> PairLogprobs:  # noqa: E741
        sides = (policy(w), policy(l), reference[w], reference[l], lengths[w], lengths[l])
        return PairLogprobs(*(side[None] for side in sides))

    for w in range(4):
        for other in range(w):
            direct = plain_gradient(model, loss(pair(lambda at: logprob(model, rows[at]), w, other))[0])
            with torch.no_grad():
                known = pair(lambda at: logprob(model, rows[at]), w, other)
            factor_w, factor_l = coefficients(loss, known)[0]
            errors = [
                factor_w * single[w][key] + factor_l * single[other][key] - direct[key] for key in direct
            ]
            length = torch.cat([part.flatten() for part in direct.values()]).norm()
            assert length > 0
            assert torch.cat([error.flatten() for error in errors]).norm() <= 1e-5 * length
