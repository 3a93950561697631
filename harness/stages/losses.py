"""The loss that a recipe's table names, with its hyper-parameters filled in."""

from collections.abc import Mapping
from functools import partial
from typing import Any, assert_never

from harness.methods.losses import Loss, PairLoss, dpo, hinge, ipo
from harness.recipe import losses
from harness.stages.shared import variant


def loss_of(table: Mapping[str, Any]) -> PairLoss:
    """The loss of a `loss` table as plain JSON."""
    named: losses.Loss = variant(losses.Loss, table)
    return PairLoss(_value(named), named.needs)


def _value(table: losses.Loss) -> Loss:
    match table:
        case losses.DpoLoss(beta=beta):
            return partial(dpo, beta=beta)
        case losses.IpoLoss(beta=beta):
            return partial(ipo, beta=beta)
        case losses.HingeLoss(beta=beta):
            return partial(hinge, beta=beta)
        case _:
            assert_never(table)
