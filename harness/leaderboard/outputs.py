"""What the methods wrote, side by side: for each prompt the reference, and outputs with their verdicts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

from harness.leaderboard.record import Record, Sample

LONGEST = 700  # characters of a text that are shown
MOST = 120_000
"""Characters of all texts together: a page that is slow to load is not read."""
VERDICTS = {1.0: "reference better", 1.5: "tie", 2.0: "better than the reference"}


@dataclass(frozen=True)
class Answer:
    """One output and its verdict, with all methods that wrote it and got it."""

    methods: tuple[str, ...]
    text: str
    preference: float | None


@dataclass(frozen=True)
class Comparison:
    """One prompt under one replicate."""

    prompt: str
    reference: str
    answers: tuple[Answer, ...]


def verdict(preference: float | None) -> str:
    """The judge's preference (1 to 2) in words."""
    if preference is None or not isfinite(preference):
        return "no verdict"
    return VERDICTS.get(preference, f"preference {preference:.2f}")


def comparisons(records: Iterable[Record], methods: Sequence[str]) -> list[Comparison]:
    """The prompts that records hold samples of, with each method's first record; as many as are short enough.

    Records of other replicates may have other prompts: methods that lack a prompt are left out of it.
    """
    first: dict[str, Record] = {}
    for record in records:
        if record.samples and record.method in methods:
            first.setdefault(record.method, record)
    by_prompt: dict[tuple[str, str], dict[str, Sample]] = {}
    for method in (method for method in methods if method in first):
        for sample in first[method].samples:
            by_prompt.setdefault((sample.prompt, sample.reference), {})[method] = sample
    found: list[Comparison] = []
    room = MOST
    for (prompt, reference), samples in by_prompt.items():
        one = Comparison(_cut(prompt), _cut(reference), _answers(samples))
        room -= sum(len(text) for text in (one.prompt, one.reference, *(a.text for a in one.answers)))
        if room < 0 and found:
            break
        found.append(one)
    return found


def _answers(samples: dict[str, Sample]) -> tuple[Answer, ...]:
    same: dict[tuple[str, float | None], list[str]] = {}
    for method, sample in samples.items():
        same.setdefault((_cut(sample.output), sample.preference), []).append(method)
    return tuple(Answer(tuple(methods), text, preference) for (text, preference), methods in same.items())


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
