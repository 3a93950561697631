"""Who scores responses and compares outputs."""

from typing import Annotated, Literal

from pydantic import Field

from harness.recipe.endpoint import Endpoint
from harness.recipe.model import Dtype
from harness.recipe.sources import Revision, Text
from harness.recipe.table import Count, NonNegative, Table


class OracleJudge(Table):
    """The embedded world's exact scorer, 0 to 10."""

    kind: Literal["oracle"] = "oracle"


class LengthJudge(Table):
    """Longer is better: a control that any length bias would follow."""

    kind: Literal["length"] = "length"


class DataJudge(Table):
    """The dataset's own scores of its responses; of a chosen and a rejected one, 1 and 0."""

    kind: Literal["dataset"]


class RewardModelJudge(Table):
    """A sequence-classification reward model: one of the hub with its revision, or a local folder."""

    kind: Literal["reward-model"]
    name: Text
    revision: Revision | None = None
    dtype: Dtype = "bf16"
    max_length: Count = 2048


class LocalJudge(Table):
    """A causal language model that runs here, asked in words (docs/judges.md)."""

    kind: Literal["local"]
    name: Text
    revision: Revision | None = None
    dtype: Dtype = "bf16"
    both_orders: bool = False
    max_new_tokens: Count = 256


class EndpointJudge(Endpoint):
    """A model behind an OpenAI-compatible endpoint, asked in words (docs/judges.md).

    `template` says how two outputs are compared: in words that end in a verdict, by the probabilities of one
    letter (weighted), or by the words of alpaca_eval's own evaluator. Single responses are scored 1 to 10.
    `length_parameter` is the name by which the model takes `max_tokens`.
    """

    kind: Literal["endpoint"]
    template: Literal["pairwise", "weighted", "weighted_alpaca_eval_gpt4_turbo"] = "pairwise"
    both_orders: bool = False
    temperature: NonNegative = 0.0
    max_tokens: Count = 1024
    length_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"


Judge = Annotated[
    OracleJudge | LengthJudge | DataJudge | RewardModelJudge | LocalJudge | EndpointJudge,
    Field(discriminator="kind"),
]
