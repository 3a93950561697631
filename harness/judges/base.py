"""What every judge offers, and how a grader of single responses becomes a judge."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.data.rows import Prompt


@dataclass(frozen=True)
class Answer:
    """A response to be scored."""

    prompt: Prompt
    response: str


@dataclass(frozen=True)
class Contest:
    """Two responses to one prompt, in the order in which the judge sees them."""

    prompt: Prompt
    first: str
    second: str


@dataclass(frozen=True)
class Usage:
    """What a judge has been asked so far, and what that cost.

    `calls` are judgments; tokens are those of an endpoint (`tokens_in`, `tokens_out`) or of a model that
    runs here (`tokens_forward` through `parameters` parameters, with `padding` pads beside them). `usd` is
    what is known of the cost, and `unpriced` counts calls of no known price. `flips` counts contests
    asked both ways round with opposite verdicts.
    """

    calls: int = 0
    usd: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_forward: int = 0
    padding: int = 0
    parameters: int = 0
    unpriced: int = 0
    flips: int = 0


class Judge(Protocol):
    """Scores responses and compares them, many at once; None where it came to no verdict."""

    @property
    def id(self) -> str:
        """Name and version. Verdicts under different ids do not compare."""

    @property
    def usage(self) -> Usage:
        """What it has been asked so far."""

    def scores(self, answers: Sequence[Answer]) -> list[float | None]:
        """The score of each response; higher is better."""

    def preferences(self, contests: Sequence[Contest]) -> list[float | None]:
        """1 (the first is better) .. 1.5 (a tie) .. 2 (the second is better): AlpacaEval's scale."""


class Grader(Protocol):
    """Grades one response at a time, without cost, by its text and the prompt alone."""

    @property
    def id(self) -> str:
        """Name and version."""

    def score(self, prompt: Prompt, response: str) -> float:
        """The response's score; higher is better."""


class Graded:
    """A judge that prefers what a grader scores higher."""

    def __init__(self, grader: Grader) -> None:
        self._grader, self._calls = grader, 0

    @property
    def id(self) -> str:
        """The grader's."""
        return self._grader.id

    @property
    def usage(self) -> Usage:
        """One call for each answer and for each contest."""
        return Usage(calls=self._calls)

    def scores(self, answers: Sequence[Answer]) -> list[float | None]:
        """The grader's score of each."""
        self._calls += len(answers)
        return [self._grader.score(answer.prompt, answer.response) for answer in answers]

    def preferences(self, contests: Sequence[Contest]) -> list[float | None]:
        """1.0, 1.5 or 2.0 for each."""
        self._calls += len(contests)
        return [self._preference(contest) for contest in contests]

    def _preference(self, contest: Contest) -> float:
        first, second = (self._grader.score(contest.prompt, text) for text in (contest.first, contest.second))
        return preference(first, second)


def preference(first: float, second: float) -> float:
    """1.0 if the first score is higher, 2.0 if the second is, 1.5 on a tie (AlpacaEval's scale)."""
    return 1.5 + 0.5 * ((second > first) - (second < first))
