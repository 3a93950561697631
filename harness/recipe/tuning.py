"""Tuning: the same number of trials for every method, of which validation prompts choose one."""

from typing import Annotated

from pydantic import Field

from harness.recipe.table import Count, Table

Setting = int | Annotated[float, Field(allow_inf_nan=False)]
Axis = Annotated[tuple[Setting, ...], Field(min_length=1)]


class Tuning(Table):
    """How every training method is tuned.

    It is trained at `trials` settings of its `space`, whose axes are the learning rate and hyper-parameters
    of its loss; the adapter with the best win rate on `prompts` validation prompts is the method's. These
    are neither in the pool nor in any evaluation.
    """

    trials: Count
    prompts: Count = 64
    samples_per_prompt: Count = 2
    space: Annotated[dict[str, Axis], Field(min_length=1)]


class MethodTuning(Table):
    """Axes that take the place of the recipe's for one method; an empty one leaves that axis out."""

    space: dict[str, tuple[Setting, ...]]
