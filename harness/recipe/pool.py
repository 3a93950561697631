"""Where prompts and responses come from."""

from typing import Annotated, Literal

from pydantic import Field

from harness.recipe.endpoint import Endpoint
from harness.recipe.judges import Judge, OracleJudge
from harness.recipe.sources import Source
from harness.recipe.table import Count, Positive, Table

TRAINING_PROMPTS, HELD_OUT_PROMPTS = 2720, 1360
"""How many distinct prompts the embedded world has for training and for evaluation, under every seed."""


class AtlasPrompts(Table):
    """Prompts of the embedded world."""

    kind: Literal["atlas"] = "atlas"
    count: Annotated[int, Field(ge=1, le=TRAINING_PROMPTS)] = 640


class DatasetPrompts(Source):
    """`count` prompts of a dataset, drawn anew by each replicate that varies the pool.

    The share `held_out` is never drawn: evaluation prompts of kind "held-out" come from it. Prompts of more
    than `max_characters`, all turns together, are left out of both.
    """

    kind: Literal["dataset"]
    count: Count
    max_characters: Count | None = None
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.1


PoolPrompts = Annotated[AtlasPrompts | DatasetPrompts, Field(discriminator="kind")]


class SampledResponses(Table):
    """K responses sampled from the untrained start, or written by the model of an endpoint."""

    kind: Literal["sample"] = "sample"
    temperature: Positive = 1.0
    max_new_tokens: Count = 48
    endpoint: Endpoint | None = None


class DatasetResponses(Table):
    """The first K of the dataset's own responses. Prompts with fewer than `least` of them are not drawn."""

    kind: Literal["dataset"]
    least: Annotated[int, Field(ge=2)] = 2


class BothResponses(Table):
    """The dataset's own responses to a prompt, and as many sampled ones as make K of them."""

    kind: Literal["both"]
    temperature: Positive = 1.0
    max_new_tokens: Count = 48


Responses = Annotated[SampledResponses | DatasetResponses | BothResponses, Field(discriminator="kind")]


class Pool(Table):
    """Where prompts, responses and scores come from."""

    prompts: PoolPrompts = AtlasPrompts()
    responses: Responses = SampledResponses()
    judge: Judge = OracleJudge()


class Sampling(Table):
    """How policies write, wherever they do. It changes the speed, and results only by rounding."""

    engine: Literal["hf", "vllm"] = "hf"
    batch_size: Count = 128
