"""One list of laws for every loss that a recipe can name: a new kind is tested here without a line.

What a law does not hold for stands in a table with its reason, and must really break it.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.methods.losses import PairLogprobs, PairLoss, coefficients
from harness.recipe import losses as tables
from harness.recipe.schema import KINDS, kind_of
from harness.stages.losses import loss_of
from harness.stages.shared import variant

GIVEN: dict[str, dict[str, Any]] = {
    "sum": {"terms": [{"kind": "dpo"}, {"kind": "bco"}, {"kind": "simpo"}], "weights": [1.0, 0.5, 0.1]}
}
"""The fields without a default."""

TABLES = {kind_of(kind): {"kind": kind_of(kind)} | GIVEN.get(kind_of(kind), {}) for kind in KINDS["loss"]}
EVERY = pytest.mark.parametrize("kind", TABLES)

WRONG_WAY = {"discopop": "its mixture turns to the larger term at h = 0 (arXiv 2406.08414, section 5)"}
CHOSEN_STAYS = {"apo-down": "lowers both responses; at the reference the chosen one's two terms cancel"}

MARGIN = {
    "dpo", "cdpo", "robust", "hinge", "ipo-sum", "exo", "discopop", "wpo", "r-dpo", "ld-dpo", "beta-dpo",
    "aot", "aot-unpaired", "bco",
}  # fmt: skip
"""Losses of differences alone: equal nats more for all responses change nothing. BCO's mean moves along."""
TOKEN_MARGIN = {"ipo", "ln-dpo", "simpo", "alpha-dpo"}
"""The same for nats per token."""


def named(kind: str) -> tables.Loss:
    found: tables.Loss = variant(tables.Loss, TABLES[kind])
    return found


def loss(kind: str) -> PairLoss:
    return loss_of(TABLES[kind])


def random_pairs(count: int = 6, at_reference: bool = False) -> PairLogprobs:
    """Pairs with all that any loss needs; the common length is the shorter one's."""
    noise = torch.Generator().manual_seed(1)

    def logprobs(lengths: Tensor) -> Tensor:
        return -lengths * (0.2 + 3 * torch.rand(count, generator=noise, dtype=torch.float64))

    len_w, len_l = (torch.randint(2, 20, (count,), generator=noise) for _ in "wl")
    shorter = torch.minimum(len_w, len_l)

    def side(w: Tensor, l: Tensor) -> PairLogprobs:  # noqa: E741
        policy = logprobs(w), logprobs(l)
        reference = policy if at_reference else (logprobs(w), logprobs(l))
        return PairLogprobs(policy[0], policy[1], reference[0], reference[1], w, l)

    certainty = [-torch.rand(count, generator=noise, dtype=torch.float64) for _ in "wl"]
    return replace(
        side(len_w, len_l),
        common=side(shorter, shorter),
        certainty_w=certainty[0],
        certainty_l=certainty[1],
    )


def at(pairs: PairLogprobs, rows: Tensor) -> PairLogprobs:
    """Some of the pairs."""
    parts: dict[str, Any] = {
        name: at(part, rows) if isinstance(part, PairLogprobs) else part[rows]
        for name, part in vars(pairs).items()
        if part is not None
    }
    return PairLogprobs(**parts)


def shifted(pairs: PairLogprobs, nats: float = 0.0, per_token: float = 0.0) -> PairLogprobs:
    """The policy's log-probabilities, of the common length too, with something added on both sides."""
    return replace(
        pairs,
        policy_w=pairs.policy_w + nats + per_token * pairs.len_w,
        policy_l=pairs.policy_l + nats + per_token * pairs.len_l,
        common=pairs.common and shifted(pairs.common, nats, per_token),
    )


@EVERY
def test_its_fields_are_the_parameters_of_its_function(kind: str) -> None:
    """So a hyper-parameter of the recipe can neither be lost nor fall back on a default in the code."""
    made = loss(kind).value
    if kind == "sum":
        return
    assert isinstance(made, partial)
    code = made.func.__code__
    assert set(code.co_varnames[: code.co_argcount]) == {"pairs"} | set(made.keywords)
    assert made.func.__defaults__ is None
    assert set(made.keywords) == set(type(named(kind)).model_fields) - {"kind"}


@EVERY
def test_finite_on_extreme_log_probabilities(kind: str) -> None:
    """Every mixture of -10,000 and (almost) 0 nats, of policy and reference, of responses with 1 and 1000
    tokens, in fp32: value and gradient are numbers.
    """
    ends, lengths = (-1e4, -1e-3), (1.0, 1000.0)
    columns = torch.tensor(list(product(ends, ends, ends, ends, lengths, lengths))).T
    policy_w, policy_l = (column.requires_grad_(True) for column in columns[:2].clone())
    whole = PairLogprobs(policy_w, policy_l, *columns[2:])
    sure = torch.full_like(policy_w, -1e4)
    pairs = replace(whole, common=whole, certainty_w=sure, certainty_l=-sure)
    value = loss(kind).value(pairs)
    assert value.isfinite().all()
    for gradient in torch.autograd.grad(value.sum(), (policy_w, policy_l), allow_unused=True):
        assert gradient is None or gradient.isfinite().all()


@EVERY
def test_at_the_start_the_chosen_response_rises_and_the_rejected_one_falls(kind: str) -> None:
    chosen, rejected = coefficients(loss(kind).value, random_pairs(at_reference=True)).T
    sign = -1 if kind in WRONG_WAY else 1
    assert (sign * rejected > 0).all()
    if kind in CHOSEN_STAYS:
        torch.testing.assert_close(chosen, torch.zeros_like(chosen))
    else:
        assert (sign * chosen < 0).all()


@pytest.mark.parametrize("table", [*TABLES.values(), {"kind": "kto", "desirable_weight": 2.0}], ids=str)
def test_plain_losses_start_along_the_difference_of_two_gradients(table: Mapping[str, Any]) -> None:
    """The coefficients at the reference are -c and c, c > 0, for every pair: `plain` says whether."""
    chosen, rejected = coefficients(loss_of(table).value, random_pairs(at_reference=True)).T
    assert variant(tables.Loss, table).plain == bool(
        (rejected > 0).all() and torch.allclose(chosen, -rejected)
    )


@EVERY
def test_a_shift_of_all_log_ratios(kind: str) -> None:
    value, pairs = loss(kind).value, random_pairs()
    nats, tokens = (
        torch.allclose(value(moved), value(pairs))
        for moved in (shifted(pairs, nats=0.7), shifted(pairs, per_token=0.7))
    )
    assert (nats, tokens) == (kind in MARGIN, kind in TOKEN_MARGIN)


@EVERY
def test_the_order_of_pairs_does_not_matter(kind: str) -> None:
    """Value and gradient of each pair are its own, wherever it stands."""
    pairs, order = random_pairs(), torch.tensor([3, 0, 5, 1, 4, 2])
    made = loss(kind)
    torch.testing.assert_close(made.value(at(pairs, order)), made.value(pairs)[order])
    mixed = coefficients(made.value, at(pairs, order))
    torch.testing.assert_close(mixed, coefficients(made.value, pairs)[order])


@EVERY
def test_only_with_batch_do_other_pairs_matter(kind: str) -> None:
    pairs, made = random_pairs(), loss(kind)
    alone = torch.cat([made.value(at(pairs, torch.tensor([row]))) for row in range(6)])
    assert torch.allclose(alone, made.value(pairs)) == ("batch" not in made.needs)


@EVERY
def test_only_with_reference_does_the_reference_matter(kind: str) -> None:
    pairs, made = random_pairs(), loss(kind)
    assert pairs.common is not None
    moved = replace(
        pairs,
        reference_w=pairs.reference_w - 1,
        common=replace(pairs.common, reference_w=pairs.common.reference_w - 1),
    )
    assert torch.allclose(made.value(moved), made.value(pairs)) == ("reference" not in made.needs)
    nothing = torch.full_like(pairs.policy_w, float("nan"))
    unknown = replace(pairs, reference_w=nothing, reference_l=nothing)
    assert bool(made.value(unknown).isfinite().all()) == ("reference" not in made.needs)


@EVERY
def test_only_what_it_needs_must_be_there(kind: str) -> None:
    """Without the common length or the certainty, a loss works or says what it needs."""
    made, pairs = loss(kind), random_pairs()
    for need, names in (("common", ["common"]), ("certainty", ["certainty_w", "certainty_l"])):
        absent: dict[str, Any] = dict.fromkeys(names)
        less = replace(pairs, **absent)
        if need in made.needs:
            with pytest.raises(AssertionError, match=f"needs the {need}"):
                made.value(less)
        else:
            torch.testing.assert_close(made.value(less), made.value(pairs))


@EVERY
def test_only_with_running_is_a_state_kept(kind: str) -> None:
    """A state is a detached vector, and changes the value; without one a batch starts its own."""
    made, pairs = loss(kind), random_pairs()
    assert (made.update is not None) == ("running" in made.needs)
    if made.update is None:
        with_state = replace(pairs, running=torch.ones(2, dtype=torch.float64))
        torch.testing.assert_close(made.value(with_state), made.value(pairs))
        return
    learning = replace(pairs, policy_w=pairs.policy_w.clone().requires_grad_(True))
    first = made.update(learning, None)
    second = made.update(shifted(pairs, nats=3.0, per_token=1.0), first)
    assert not first.requires_grad
    assert first.ndim == 1
    assert first.shape == second.shape
    torch.testing.assert_close(made.value(replace(pairs, running=first)), made.value(pairs))
    assert not torch.allclose(made.value(replace(pairs, running=second)), made.value(pairs))


@EVERY
def test_certainty_and_state_have_no_gradient(kind: str) -> None:
    """What is detached by contract stays so inside the loss."""
    pairs = random_pairs()
    held = [
        part.clone().requires_grad_(True)
        for part in (pairs.certainty_w, pairs.certainty_l)
        if part is not None
    ]
    policy = pairs.policy_w.clone().requires_grad_(True)
    value = loss(kind).value(replace(pairs, policy_w=policy, certainty_w=held[0], certainty_l=held[1]))
    found = torch.autograd.grad(value.sum(), held, allow_unused=True)
    assert all(gradient is None for gradient in found)


@EVERY
def test_the_documentation_has_it_with_its_defaults(kind: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "losses.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith(f"| `{kind}` |"))
    for name, field in type(named(kind)).model_fields.items():
        assert f"`{name}`" in row or name == "kind"
        assert not isinstance(field.default, float) or f" {field.default:g}" in row


def test_the_fields_of_pairs_are_all_tried_here() -> None:
    """A new field of PairLogprobs must come with laws of its own."""
    known = {"policy_w", "policy_l", "reference_w", "reference_l", "len_w", "len_l", "common"}
    assert {field.name for field in fields(PairLogprobs)} == known | {"certainty_w", "certainty_l", "running"}
