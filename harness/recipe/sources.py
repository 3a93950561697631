"""Where data come from: a dataset of the hub with its revision, or a local file."""

from typing import Annotated, Literal

from pydantic import Field

from harness.recipe.table import Table

Text = Annotated[str, Field(min_length=1)]
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
"""A commit of the hub; a branch or a tag may move, and results would not come back."""

Format = Literal[
    "trl-explicit", "trl-conversational", "trl-implicit", "hh-rlhf",
    "ultrafeedback", "ultrafeedback-ratings", "ultrafeedback-binarized", "pku-saferlhf",
    "pku-saferlhf-safer", "pandalm", "alpaca-eval-outputs", "alpaca-eval-annotations",
    "scored-pool", "prompts", "messages",
]  # fmt: skip
"""docs/data.md shows each."""


class Source(Table):
    """A local file, or with a `revision` a dataset of the hub (docs/data.md).

    A local `path` is looked for in HARNESS_DATA, or in data/ beside recipes/. `format` is told from the
    columns where it is not given. Malformed rows are counted and skipped, or all refused if `strict`.
    """

    path: Text
    revision: Revision | None = None
    config: Text | None = None
    split: Text = "train"
    format: Format | None = None
    strict: bool = False
