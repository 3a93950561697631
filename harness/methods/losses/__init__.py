"""Preference losses: pure functions of the log-probabilities of pairs, one module for each family.

`margin` sees a pair through the margin of its log-ratios, `length` through its lengths too, `pointwise`
judges each response against the reference, `likelihood` looks at the policy's own probabilities, `batch` at
the other pairs of a batch, and `combined` adds losses up. docs/losses.md lists them all with their sources.
"""

from harness.methods.losses.length import ipo
from harness.methods.losses.margin import dpo, hinge
from harness.methods.losses.pairs import Loss, PairLogprobs, PairLoss, coefficients, implicit_rewards

__all__ = ["Loss", "PairLogprobs", "PairLoss", "coefficients", "dpo", "hinge", "implicit_rewards", "ipo"]
