"""The rows that stages hand to each other; every field is plain JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Prompt:
    """One instruction. `meta` is what its source knows about it (for the Atlas world: kind, topic, ...)."""

    id: str
    text: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """The `index`-th response to a prompt.

    `tokens` counts what the model generated, end-of-sequence included; `finished` is False where the
    length limit cut the response off.
    """

    prompt_id: str
    index: int
    text: str
    tokens: int
    finished: bool


@dataclass(frozen=True)
class Score:
    """A judge's score of one response; higher is better."""

    prompt_id: str
    index: int
    score: float


@dataclass(frozen=True)
class PreferencePair:
    """A prompt with a chosen and a rejected response; `gap` is the difference of their scores."""

    prompt_id: str
    prompt: str
    chosen: str
    rejected: str
    chosen_index: int
    rejected_index: int
    chosen_finished: bool
    rejected_finished: bool
    gap: float
