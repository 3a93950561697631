"""All pairs of a prompt as one unit: its unique responses, and which of them form which pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.data.tokens import Encoded
from harness.training.examples import TokenPair

Prefix = Literal["cache", "packed", "rows"]
"""How a prompt is shared between its responses (`training.prefix`)."""


@dataclass(frozen=True)
class PromptGroup:
    """A prompt, its unique responses, and its pairs.

    `chosen` and `rejected` are positions in `responses`, one entry for each pair; `pairs` says which pairs of
    the data these are.
    """

    prompt: tuple[int, ...]
    responses: tuple[tuple[int, ...], ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    pairs: tuple[int, ...]

    @property
    def rows(self) -> tuple[Encoded, ...]:
        """The responses with their prompt."""
        return tuple(Encoded(self.prompt, response) for response in self.responses)

    @property
    def response_tokens(self) -> int:
        """Tokens of the responses that are read: nothing is predicted from a response's last one."""
        return sum(max(len(response) - 1, 0) for response in self.responses)

    def tokens(self, shared: bool) -> int:
        """Tokens run through the model, with the prompt once or once for each response."""
        return len(self.prompt) * (1 if shared else len(self.responses)) + self.response_tokens


def positions_run(groups: Sequence[PromptGroup], prefix: Prefix) -> int:
    """Tokens and pads that `response_scores` runs forward for these groups, read in this way."""
    if prefix == "cache":
        longest = max(len(response) for group in groups for response in group.responses)
        rows = sum(len(group.responses) for group in groups)
        return len(groups) * max(len(group.prompt) for group in groups) + rows * max(longest - 1, 0)
    if prefix == "packed":
        return len(groups) * max(group.tokens(shared=True) for group in groups)
    lengths = [len(row.prompt) + max(len(row.response) - 1, 0) for group in groups for row in group.rows]
    return len(lengths) * max(lengths)


def group_pairs(pairs: Sequence[TokenPair]) -> tuple[PromptGroup, ...]:
    """One group for each prompt id, in order of first appearance; equal token rows are one response."""
    by_prompt: dict[str, list[int]] = {}
    for at, pair in enumerate(pairs):
        by_prompt.setdefault(pair.prompt_id, []).append(at)
    return tuple(_group(pairs, at) for at in by_prompt.values())


def _group(pairs: Sequence[TokenPair], at: Sequence[int]) -> PromptGroup:
    position: dict[tuple[int, ...], int] = {}
    chosen = tuple(position.setdefault(pairs[index].chosen.response, len(position)) for index in at)
    rejected = tuple(position.setdefault(pairs[index].rejected.response, len(position)) for index in at)
    return PromptGroup(pairs[at[0]].chosen.prompt, tuple(position), chosen, rejected, tuple(at))


def prompts_in_step(groups: Sequence[PromptGroup], pairs_per_step: int, steps: int) -> int:
    """How many prompts hold `pairs_per_step` pairs on average, to the nearest; at least one.

    One more where rounding down would leave pairs untrained that so many steps of pairs would reach.
    """
    pairs = sum(len(group.pairs) for group in groups)
    nearest = max(1, int(pairs_per_step * len(groups) / pairs + 0.5))
    needed = -(-len(groups) // steps) if steps * pairs_per_step >= pairs else 1
    return max(nearest, needed)


def training_parts(
    groups: Sequence[PromptGroup], steps: int, per_step: int, parts: int, seed: int
) -> list[list[int]]:
    """Which prompts are trained on when: `steps * parts` lists of positions, each one forward pass.

    Every epoch is a new random order of all prompts; epochs follow each other without a gap, so that each
    step sees `per_step` prompts even where the epoch ends inside it. Within a step the longest come first:
    a part then holds prompts of like length, and the step's gradient is the same.
    """
    rng = np.random.default_rng(seed)
    epochs = -(-steps * per_step // len(groups))
    drawn = np.concatenate([rng.permutation(len(groups)) for _ in range(epochs)]).tolist()
    found: list[list[int]] = []
    for start in range(0, steps * per_step, per_step):
        step = sorted(drawn[start : start + per_step], key=lambda at: -groups[at].tokens(shared=True))
        found += [part.tolist() for part in np.array_split(np.array(step), parts)]
    return found
