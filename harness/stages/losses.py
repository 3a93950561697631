"""The loss that a recipe's table names, with its hyper-parameters filled in."""
# ruff: noqa: E701 (one line for each kind makes a table)

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, assert_never

from torch import Tensor

from harness.methods.losses import PairLoss, batch, length, likelihood, margin, pointwise
from harness.methods.losses.combined import weighted_sum
from harness.methods.losses.pairs import Update
from harness.recipe import losses


def loss_of(table: Mapping[str, Any]) -> PairLoss:
    """The loss of a `loss` table as plain JSON."""
    return _made(losses.read_loss(table))


def _made(table: losses.Loss) -> PairLoss:
    if isinstance(table, losses.SumLoss):
        return weighted_sum([_made(term) for term in table.terms], table.weights)
    # The fields of a table are the parameters of its function.
    value = partial(_function(table), **table.model_dump(exclude={"kind"}))
    return PairLoss(value, table.needs, _update(table))


def _function(table: losses.Single) -> Callable[..., Tensor]:
    # fmt: off
    match table:
        case losses.DpoLoss(): return margin.dpo
        case losses.CdpoLoss(): return margin.cdpo
        case losses.RobustLoss(): return margin.robust
        case losses.HingeLoss(): return margin.hinge
        case losses.IpoLoss(): return length.ipo
        case losses.IpoSumLoss(): return margin.ipo_sum
        case losses.KtoLoss(): return batch.kto
        case losses.OrpoLoss(): return likelihood.orpo
        case losses.CpoLoss(): return likelihood.cpo
        case losses.SimpoLoss(): return length.simpo
        case losses.LnDpoLoss(): return length.ln_dpo
        case losses.RDpoLoss(): return length.r_dpo
        case losses.LdDpoLoss(): return length.ld_dpo
        case losses.ApoZeroLoss(): return pointwise.apo_zero
        case losses.ApoDownLoss(): return pointwise.apo_down
        case losses.NcaLoss(): return pointwise.nca
        case losses.ExoLoss(): return margin.exo
        case losses.BcoLoss(): return batch.bco
        case losses.SppoHardLoss(): return pointwise.sppo_hard
        case losses.AotLoss(): return batch.aot
        case losses.AotUnpairedLoss(): return batch.aot_unpaired
        case losses.DiscopopLoss(): return margin.discopop
        case losses.WpoLoss(): return margin.wpo
        case losses.BetaDpoLoss(): return batch.beta_dpo
        case losses.AlphaDpoLoss(): return batch.alpha_dpo
        case losses.CalDpoLoss(): return pointwise.cal_dpo
        case losses.BpoMarginLoss(): return pointwise.bpo_margin
        case losses.DpopLoss(): return pointwise.dpop
        case losses.DpoSftLoss(): return likelihood.dpo_sft
        case _: assert_never(table)
    # fmt: on


def _update(table: losses.Single) -> Update | None:
    match table:
        case losses.BcoLoss():
            return batch.bco_update
        case losses.BetaDpoLoss():
            return batch.margin_update
        case losses.AlphaDpoLoss():
            return batch.token_margin_update
        case _:
            return None
