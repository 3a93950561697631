"""Where the work is done: what a task takes of a cluster, into how many shards a stage is cut, and how many
processes share a training.

Nothing of this changes a result or enters a key. The local engine minds the shards, the processes and the
GPUs, but neither cores nor memory.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from harness.recipe.launching import Launching
from harness.recipe.table import Count, NonNegative, Positive, Table


class Needs(Table):
    """What one task of a stage takes of a cluster; a part of a GPU lets several tasks share it."""

    gpus: NonNegative = 0.0
    cpus: Positive = 1.0
    memory_gb: Positive | None = None


class ShardedNeeds(Needs):
    """The same of each shard; how many there are does not change what they give together."""

    shards: Annotated[Count, Field(le=10_000)] = 1


class Resources(Table):
    """One table for each stage that takes something else than `default`; `training` is who shares it."""

    default: Needs = Needs()
    training: Launching = Launching()
    base_model: Needs | None = None
    sft: Needs | None = None
    embeddings: ShardedNeeds | None = None
    responses: ShardedNeeds | None = None
    scores: ShardedNeeds | None = None
    logprobs: ShardedNeeds | None = None
    warmup: Needs | None = None
    hidden_states: ShardedNeeds | None = None
    gradients: ShardedNeeds | None = None
    pairs: Needs | None = None
    adapter: Needs | None = None
    trial: Needs | None = None
    outputs: Needs | None = None
    alpaca_eval: Needs | None = None
    lm_eval: Needs | None = None
    mt_bench: Needs | None = None
    preference: Needs | None = None
    knowledge: Needs | None = None

    @property
    def stages(self) -> Mapping[str, Needs]:
        """The stages that have a table, by name."""
        named = {name: getattr(self, name) for name in type(self).model_fields if name != "default"}
        return {name: needs for name, needs in named.items() if isinstance(needs, Needs)}

    def of(self, stage: str) -> Needs:
        """What one task of a stage takes."""
        return self.stages.get(stage, self.default)
