"""Adam features: the formula, the frozen form, and the exact one, against plain per-pair code."""

from functools import partial

import numpy as np
import pytest
import torch
from tiny_lora import adapted, logprob, plain_gradient, random_rows
from torch import Tensor, nn

from harness.data.tokens import Encoded
from harness.errors import BadInput
from harness.methods.adam import EPS, Moments, frozen_scales, update
from harness.methods.adam_pairs import Objective, adam_pair_gradients
from harness.methods.candidates import make_candidates
from harness.methods.clustering import Matrix
from harness.methods.features import ordered_pairs, pair_features
from harness.methods.gradients import gradient_pass, response_gradients
from harness.methods.losses import coefficients, dpo
from harness.methods.losses.pairs import pairs_of_responses
from harness.methods.projection import Sketch

SKETCH = Sketch(dim=64, seed=5)
LOSS = partial(dpo, beta=0.3)


def test_the_formula_by_hand() -> None:
    """With g = 2, m = 1, v = 4: (0.9 + 0.2) / sqrt(3.996 + 0.004 + 1e-8) = 0.55; all zero stays."""
    values = update(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0]), torch.tensor([4.0, 0.0]))
    assert values.tolist() == pytest.approx([0.55, 0.0])


def test_frozen_scales_by_hand() -> None:
    """1 / sqrt(0.999 v + eps) is 1 and 1/2 for v = 1 / 0.999 and 4 / 0.999: divided by sqrt(1.25 / 2)."""
    second = {"a": torch.tensor([[1 / 0.999]]) - EPS, "b": torch.tensor([[4 / 0.999]]) - EPS}
    scales = frozen_scales(Moments(second, second))
    assert float(scales["a"]) == pytest.approx(0.625**-0.5)
    assert float(scales["b"]) == pytest.approx(0.5 * 0.625**-0.5)


def pool() -> tuple[nn.Module, list[Encoded], Matrix, Moments]:
    """A trained adapter, four responses to one prompt (the last without tokens), random moments."""
    model = adapted("llama", 0.1).eval()
    rows = [Encoded((3, 4, 5), row.response) for row in random_rows(3)] + [Encoded((3, 4, 5), ())]
    with torch.no_grad(), model.disable_adapter():  # type: ignore[operator]
        reference = np.array([logprob(model, row).item() for row in rows], np.float32)
    noise = torch.Generator().manual_seed(2)
    shapes = {name: weight.shape for name, weight in model.named_parameters() if weight.requires_grad}
    first = {name: torch.randn(shape, generator=noise) * 0.1 for name, shape in shapes.items()}
    second = {name: torch.rand(shape, generator=noise) ** 4 for name, shape in shapes.items()}
    return model, rows, reference, Moments(first, second)


def loss_gradient(
    model: nn.Module, rows: list[Encoded], reference: Matrix, pair: tuple[int, int]
) -> dict[str, Tensor]:
    """The plain way: one backward pass of the loss for each pair."""
    policy = torch.stack([logprob(model, row) for row in rows])
    lengths = torch.tensor([len(row.response) for row in rows])
    chosen, rejected = torch.tensor(pair)[:, None]
    pairs = pairs_of_responses(policy, torch.tensor(reference), lengths, chosen, rejected)
    return plain_gradient(model, LOSS(pairs)[0])


def unit(rows: Matrix) -> Matrix:
    found: Matrix = rows / np.linalg.norm(rows)
    return found


def test_exact_equals_a_backward_pass_for_each_pair() -> None:
    """All ordered pairs; those with the empty response have no direction."""
    model, rows, reference, moments = pool()
    taken = gradient_pass(model, SKETCH, 0)
    found, logprobs = adam_pair_gradients(taken, rows, reference, Objective(LOSS, moments))
    assert logprobs.tolist() == pytest.approx([logprob(model, row).item() for row in rows], rel=1e-5)
    for at, pair in enumerate(zip(*ordered_pairs(4), strict=True)):
        if 3 in pair:
            assert not found[at].any()
            continue
        gradient = loss_gradient(model, rows, reference, (int(pair[0]), int(pair[1])))
        plain = {
            name: -update(part, moments.first[name], moments.second[name]) for name, part in gradient.items()
        }
        expected = taken.sketch(plain)
        assert np.linalg.norm(found[at] - expected) < 1e-4 * np.linalg.norm(expected)


def test_frozen_equals_the_formula_without_its_square() -> None:
    """-(0.9 m + 0.1 g) / sqrt(0.999 v + eps) of each pair by its own backward pass, as a unit row."""
    model, rows, reference, moments = pool()
    taken = gradient_pass(model, SKETCH, 0, scales=frozen_scales(moments))
    plain_taken = gradient_pass(model, SKETCH, 0)
    bank = response_gradients(taken, rows[:3])
    moved = type(bank)(
        bank.gradients, bank.logprobs, bank.lengths, bank.norms, momentum=taken.sketch(moments.first)
    )
    pairs = make_candidates([0, 0, 0], ["a", "b", "c"], [3.0, 2.0, 1.0])
    known = (torch.tensor(values) for values in (bank.logprobs, reference[:3], bank.lengths))
    sides = (torch.tensor(side) for side in (pairs.chosen, pairs.rejected))
    features = pair_features(moved, pairs, coefficients(LOSS, pairs_of_responses(*known, *sides)).numpy())
    for at, pair in enumerate([(0, 1), (0, 2), (1, 2)]):
        gradient = loss_gradient(model, rows, reference, pair)
        plain = {
            name: -(0.9 * moments.first[name] + 0.1 * part) / (0.999 * moments.second[name] + 1e-8).sqrt()
            for name, part in gradient.items()
        }
        np.testing.assert_allclose(features[at], unit(plain_taken.sketch(plain)), rtol=1e-3, atol=1e-4)


def test_a_factor_used_twice_is_refused() -> None:
    """Two layers that share one module: the square of a sum cannot be had from its parts."""
    model = adapted("llama", 0.1)
    layers = model.base_model.model.model.layers  # type: ignore[union-attr]
    layers[1] = layers[0]  # type: ignore[index, operator]
    with pytest.raises(BadInput, match="cannot be taken for each response"):
        response_gradients(gradient_pass(model, SKETCH, 0), random_rows(2))
