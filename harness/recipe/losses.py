"""Which loss a method trains with: every kind, with its hyper-parameters and what it must be given."""

from typing import Annotated, Literal

from pydantic import Field

from harness.recipe.table import Positive, Table

Need = Literal["reference", "common", "certainty", "batch", "running"]
"""What a loss looks at besides the policy's log-probabilities and the lengths of a pair's responses."""


class _ReferenceLoss(Table):
    @property
    def needs(self) -> frozenset[Need]:
        """What the loss must be given."""
        return frozenset({"reference"})


class DpoLoss(_ReferenceLoss):
    """-log sigmoid(beta * margin of log-ratios) (arXiv 2305.18290, eq. 7)."""

    kind: Literal["dpo"] = "dpo"
    beta: Positive = 0.1


class IpoLoss(_ReferenceLoss):
    """(margin of log-ratios per token - 1 / (2 beta))^2 (arXiv 2310.12036, eq. 17)."""

    kind: Literal["ipo"]
    beta: Positive = 0.1


class HingeLoss(_ReferenceLoss):
    """max(0, 1 - beta * margin of log-ratios) (arXiv 2309.06657)."""

    kind: Literal["hinge"]
    beta: Positive = 0.1


Loss = Annotated[DpoLoss | IpoLoss | HingeLoss, Field(discriminator="kind")]
