"""What breadth and depth look at: prompt embeddings and the gradient bank."""

from typing import Annotated, Literal

from pydantic import Field

from harness.recipe.sources import Revision, Text
from harness.recipe.table import Count, Seed, Table


class PolicyEmbedding(Table):
    """Mean-pooled last hidden states of the base model over the prompt."""

    kind: Literal["policy"] = "policy"


class SentenceEmbedding(Table):
    """A sentence-transformers model over the prompt's text: one of the hub with its revision, or a folder."""

    kind: Literal["sentence-transformers"]
    name: Text
    revision: Revision | None = None


class Gradients(Table):
    """The gradient bank: rank and seed of its feature adapter, numbers kept for each response.

    `at` says where gradients are taken: at the reference, or at the adapter after a warm-up of
    `warmup_steps` steps on random pairs (arXiv 2402.04333), where `preconditioning` by the warm-up's Adam is
    possible. `tokens` and `layers` (the last ones; none: all) make cheaper features.
    """

    rank: Annotated[int, Field(ge=1, le=4096)] = 32
    dim: Annotated[int, Field(ge=16, le=2**20)] = 2048
    seed: Seed = 0
    sketch: Literal["count", "sign-fold"] = "count"
    at: Literal["reference", "warmup"] = "reference"
    warmup_steps: Count | None = None
    preconditioning: Literal["none", "frozen", "exact"] = "none"
    tokens: Literal["all", "response"] = "all"
    layers: Count | None = None


class Features(Table):
    """What breadth and depth look at."""

    embedding: Annotated[PolicyEmbedding | SentenceEmbedding, Field(discriminator="kind")] = PolicyEmbedding()
    gradients: Gradients = Gradients()
