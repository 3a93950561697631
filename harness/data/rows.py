"""The rows that stages hand to each other; every field is plain JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Turn: TypeAlias = Mapping[str, str]
"""One turn of a conversation: `role` (system, user or assistant) and `content`."""


@dataclass(frozen=True)
class Prompt:
    """What a response answers: the user's `text`, and the turns before it, oldest first.

    `meta` is what its source knows about it (for the Atlas world: kind, topic, ...).
    """

    id: str
    text: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Turn] = ()

    @property
    def turns(self) -> list[Turn]:
        """The whole conversation; the last turn is the user's."""
        return conversation(self.history, self.text)

    @property
    def characters(self) -> int:
        """Length of all turns together."""
        return sum(len(turn["content"]) for turn in self.turns)

    @property
    def transcript(self) -> str:
        """The conversation as one text, for judges; the text alone where nothing came before it."""
        if not self.history:
            return self.text
        return "\n\n".join(f"{turn['role'].capitalize()}: {turn['content']}" for turn in self.turns)


def conversation(history: Sequence[Turn], text: str) -> list[Turn]:
    """Earlier turns and the user's text, as one list of turns."""
    return [*history, {"role": "user", "content": text}]


@dataclass(frozen=True)
class Response:
    """The `index`-th response to a prompt.

    `tokens` counts what the model generated, end-of-sequence included; `finished` is False where the
    length limit cut the response off. `model` says who wrote it, where that is not the policy.
    """

    prompt_id: str
    index: int
    text: str
    tokens: int
    finished: bool
    model: str = ""


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
    history: Sequence[Turn] = ()

    @property
    def turns(self) -> list[Turn]:
        """The whole conversation before the responses."""
        return conversation(self.history, self.prompt)
