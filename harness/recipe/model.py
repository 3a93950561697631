"""The untrained start: the embedded world's model, any causal language model, or a random one."""

from typing import Annotated, Literal

from pydantic import Field

from harness.recipe.sources import Revision, Source, Text
from harness.recipe.table import Count, Positive, Seed, Table

Dtype = Literal["fp32", "bf16"]
Precision = Literal["fp32", "bf16", "fp16"]


class Sft(Table):
    """Supervised fine-tuning of the model on given data, before anything else: it makes the untrained start.

    Where the data have several responses to a prompt, the best is taken.
    """

    data: Source
    steps: Count
    rows_per_step: Count = 16
    micro_batch: Count | None = None
    learning_rate: Positive
    weights: Literal["lora", "full"] = "lora"
    lora_rank: Count = 64
    precision: Precision = "fp32"
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    max_length: Count = 1024
    gradient_checkpointing: bool = False
    seed: Seed = 0


class AtlasModel(Table):
    """The embedded world's base model, trained on first use (docs/world.md)."""

    kind: Literal["atlas"] = "atlas"
    seed: Seed = 0
    sft_steps: Count = 600


class HfModel(Table):
    """Any causal language model: one of the hub with its revision, or a local folder (docs/models.md).

    `template` is a file with the chat template, where the tokenizer's own will not do.
    """

    kind: Literal["hf"]
    name: Text
    revision: Revision | None = None
    dtype: Dtype = "bf16"
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    trust_remote_code: bool = False
    template: Text | None = None
    sft: Sft | None = None


class RandomModel(Table):
    """A small model of random weights that reads bytes: it proves a path on real text, and knows nothing."""

    kind: Literal["random"]
    seed: Seed = 0
    hidden: Annotated[int, Field(ge=16, multiple_of=16)] = 64
    layers: Count = 2
    max_length: Annotated[int, Field(ge=64)] = 2048
    sft: Sft | None = None


Model = Annotated[AtlasModel | HfModel | RandomModel, Field(discriminator="kind")]
