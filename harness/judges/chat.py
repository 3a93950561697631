"""A chat model as judge: it grades single answers, and compares two, by a prompt template."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from harness.endpoints.batch import Failure
from harness.endpoints.reading import Completion
from harness.endpoints.request import Request
from harness.judges.base import Answer, Contest, Usage
from harness.judges.templates import (
    ABSOLUTE,
    LETTER,
    PAIRWISE,
    Template,
    fill_answer,
    fill_contest,
    parse_rating,
    parse_verdict,
)

TOP_LOGPROBS = 20
"""How many of the likeliest tokens a weighted verdict sees; the most that OpenAI and vLLM give."""


class Chat(Protocol):
    """A chat model, wherever it runs."""

    @property
    def id(self) -> str:
        """The model, its version, and what else of its own settings can change an answer."""

    @property
    def usage(self) -> Usage:
        """What it has been asked so far."""

    def complete(self, requests: Sequence[Request]) -> Sequence[Completion | Failure]:
        """An answer to each request, in order; equal requests share one."""


@dataclass(frozen=True)
class Asking:
    """How a chat model is asked to judge.

    `weighted` takes a comparison's verdict from the probabilities of one letter, not from an explanation that
    ends in it. `both_orders` asks every contest both ways round and takes the mean. An answer without a
    verdict is asked for again, up to `attempts` in all. `params` go to the model last; None removes one
    (`{"max_tokens": None, "max_completion_tokens": 4096}`).
    """

    weighted: bool = False
    both_orders: bool = False
    temperature: float = 0.0
    max_tokens: int = 1024
    attempts: int = 2
    params: Mapping[str, Any] = field(default_factory=dict)


class ChatJudge:
    """Grades from 1 to 10, and compares; None where an answer failed or held no verdict.

    `reasons` counts why there was no verdict, in sentences.
    """

    def __init__(self, chat: Chat, asking: Asking | None = None) -> None:
        self._chat, self._asking = chat, asking or Asking()
        self._flips = 0
        self.reasons: Counter[str] = Counter()

    @property
    def id(self) -> str:
        """The model, the templates with their versions, and the parameters."""
        templates = f"{ABSOLUTE.name}+{self._pairwise.name}"
        params = ",".join(f"{name}={value}" for name, value in sorted(self._params(False).items()))
        orders = ":both-orders" if self._asking.both_orders else ""
        return f"chat-1:{self._chat.id}:{templates}:{params}{orders}"

    @property
    def usage(self) -> Usage:
        """The chat model's, and how often the two orders of a contest had opposite verdicts."""
        return replace(self._chat.usage, flips=self._flips)

    def scores(self, answers: Sequence[Answer]) -> list[float | None]:
        """The grade of each answer, 1 to 10."""
        texts = [fill_answer(ABSOLUTE, answer) for answer in answers]
        return self._ask(ABSOLUTE, texts, self._params(False), lambda found: parse_rating(found.text))

    def preferences(self, contests: Sequence[Contest]) -> list[float | None]:
        """1 (the first is better) to 2; identical texts are a tie that is not asked for."""
        open_ = [contest for contest in contests if contest.first != contest.second]
        given = iter(self._mean(open_) if self._asking.both_orders else self._compare(open_))
        return [1.5 if contest.first == contest.second else next(given) for contest in contests]

    @property
    def _pairwise(self) -> Template:
        return LETTER if self._asking.weighted else PAIRWISE

    def _params(self, weighted: bool) -> dict[str, Any]:
        asking = self._asking
        params: dict[str, Any] = {"temperature": asking.temperature, "max_tokens": asking.max_tokens}
        if weighted:
            params |= {"max_tokens": 1, "logprobs": True, "top_logprobs": TOP_LOGPROBS}
        params |= asking.params
        return {name: value for name, value in params.items() if value is not None}

    def _mean(self, contests: Sequence[Contest]) -> list[float | None]:
        """Both orders in one batch, so that they run side by side."""
        turned = [Contest(contest.prompt, contest.second, contest.first) for contest in contests]
        verdicts = self._compare([*contests, *turned])
        means: list[float | None] = []
        for one, other in zip(verdicts[: len(contests)], verdicts[len(contests) :], strict=True):
            if one is None or other is None:
                means.append(None)
                continue
            self._flips += (one - 1.5) * (1.5 - other) < 0
            means.append((one + 3 - other) / 2)
        return means

    def _compare(self, contests: Sequence[Contest]) -> list[float | None]:
        weighted = self._asking.weighted
        texts = [fill_contest(self._pairwise, contest) for contest in contests]
        read = letter_preference if weighted else lambda found: parse_verdict(found.text)
        return self._ask(self._pairwise, texts, self._params(weighted), read)

    def _ask(
        self,
        template: Template,
        texts: Sequence[str],
        params: Mapping[str, Any],
        read: Callable[[Completion], float | None],
    ) -> list[float | None]:
        """The verdict on each text, asked again where the answer holds none; failures are not."""
        verdicts: list[float | None] = [None] * len(texts)
        open_ = list(range(len(texts)))
        for draw in range(self._asking.attempts):
            messages = [[{"role": "user", "content": texts[index]}] for index in open_]
            requests = [Request(message, template.name, params, draw) for message in messages]
            answers = dict(zip(open_, self._chat.complete(requests), strict=True))
            for index, answer in answers.items():
                verdicts[index] = None if isinstance(answer, Failure) else read(answer)
            last = draw == self._asking.attempts - 1
            self.reasons.update(
                _reason(answer)
                for index, answer in answers.items()
                if verdicts[index] is None and (last or isinstance(answer, Failure))
            )
            open_ = [i for i in open_ if verdicts[i] is None and isinstance(answers[i], Completion)]
        return verdicts


def letter_preference(completion: Completion) -> float | None:
    """1 + P(B) / (P(A) + P(B)) from the first token's log-probabilities; blanks around a letter do not count.

    None where the two letters together are less likely than not: then the model was about to say something
    else, and which letter it would rather begin with is no verdict.
    """
    mass = {"A": 0.0, "B": 0.0}
    for token, logprob in completion.logprobs[0].top if completion.logprobs else ():
        if (letter := token.strip()) in mass:
            mass[letter] += math.exp(logprob)
    total = sum(mass.values())
    return 1 + mass["B"] / total if total >= 0.5 else None


def _reason(answer: Completion | Failure) -> str:
    if isinstance(answer, Failure):
        return answer.why
    if answer.finish_reason == "length" and not answer.logprobs:
        return "The answer was cut off before its verdict; raise max_tokens."
    text = " ".join(answer.text.split())
    return f"The answer held no verdict: {text[:60]!r}"
