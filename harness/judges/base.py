"""What every judge offers, and how two scores become a preference."""

from typing import Protocol

from harness.data.rows import Prompt


class Judge(Protocol):
    """Grades one response at a time."""

    @property
    def id(self) -> str:
        """Name and version. Scores under different ids do not compare."""

    def score(self, prompt: Prompt, response: str) -> float:
        """The response's score; higher is better. It depends on the two texts and the prompt's meta only."""


def prefer(judge: Judge, prompt: Prompt, first: str, second: str) -> float:
    """1.0 if the first response scores higher, 2.0 if the second does, 1.5 on a tie (AlpacaEval's scale)."""
    gap = judge.score(prompt, second) - judge.score(prompt, first)
    return 1.5 + 0.5 * ((gap > 0) - (gap < 0))
