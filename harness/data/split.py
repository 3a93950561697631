"""Which prompts are for evaluation and which are for training, whatever the order of the file."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from harness.data.rows import Prompt


@dataclass(frozen=True)
class Split:
    """Halves without a common first question. A pool is the first N of `training`, validation the next."""

    training: tuple[Prompt, ...]
    evaluation: tuple[Prompt, ...]


def split(prompts: Iterable[Prompt], evaluation: float, seed: int) -> Split:
    """Set a part of the prompts apart for evaluation, and put the others in an order drawn from the seed.

    Both go by hashes of the prompts themselves. So neither depends on the order of the file, a prompt's half
    does not depend on the seed, and prompts that are added later move no other prompt to the other half.
    Dialogues with the same first question, which are near copies of each other, are in the same half.

    Args:
        prompts: distinct prompts.
        evaluation: the share of first questions to set apart, 0 to 1; the size of the half varies around it.
        seed: orders the training half.
    """
    halves: tuple[list[Prompt], list[Prompt]] = ([], [])
    for prompt in prompts:
        halves[_unit(f"evaluation {_first_question(prompt)}") < evaluation].append(prompt)
    training, held_out = halves
    return Split(
        tuple(sorted(training, key=lambda prompt: _digest(f"{seed} {prompt.id}"))),
        tuple(sorted(held_out, key=lambda prompt: prompt.id)),
    )


def _first_question(prompt: Prompt) -> str:
    return next(turn["content"] for turn in prompt.turns if turn["role"] == "user")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _unit(text: str) -> float:
    """A number from 0 to below 1, uniform over texts."""
    return int.from_bytes(_digest(text)[:6], "big") / 2**48
