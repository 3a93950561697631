"""A source of preference data, read whole: its prompts with all their answers, and what could not be used."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from harness.data.formats import detect_layout, read_row
from harness.data.hub import HubDataset, hub_rows
from harness.data.readers import Answer, Example
from harness.data.rows import Prompt
from harness.data.sources import file_rows
from harness.data.turns import BadRow, Turns, prompt_id
from harness.errors import BadInput

FIRST_ROWS = 100
"""So many rows tell the format."""
SHOWN_LINES = 5
"""So many line numbers of each reason stand in a message."""


@dataclass(frozen=True)
class OriginalPrompt:
    """A prompt with its distinct answers, in the order of the source.

    An answer's score is the mean over all lines that score it: for pairs, the share of its pairs that it won.
    """

    id: str
    turns: Turns
    answers: tuple[Answer, ...]
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Malformed:
    """A row, or one answer of a row, that could not be used, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class OriginalData:
    """What a source holds; every one of its `rows` is in a prompt's `lines` or in `malformed`.

    Attributes:
        place: the file or hub dataset.
        layout: the format's name.
        rows: rows read, malformed ones included.
        prompts: in the order of their first lines.
        malformed: rows left out.
        left_out: single answers left out of rows that are used.
        repeated_answers: answers that another row, or the same one, had given to the same prompt.
        rescored_answers: distinct answers whose scores differ between the rows that hold them.
    """

    place: str
    layout: str
    rows: int
    prompts: tuple[OriginalPrompt, ...]
    malformed: tuple[Malformed, ...]
    left_out: tuple[Malformed, ...]
    repeated_answers: int
    rescored_answers: int

    @property
    def as_prompts(self) -> list[Prompt]:
        """The prompts alone, in their order."""
        return [
            Prompt(prompt.id, prompt.turns[-1]["content"], history=prompt.turns[:-1])
            for prompt in self.prompts
        ]


def read_original(
    source: Path | HubDataset, layout: str | None = None, *, strict: bool = False
) -> OriginalData:
    """Read a source in the named format, or in the one that its first rows have.

    Raises:
        BadInput: the source cannot be read, its first rows have no one format, or no row of it can be used;
            with `strict`, also if any row or answer is malformed.
    """
    place = str(source)
    numbered: Iterator[tuple[int, Any]] = (
        hub_rows(source) if isinstance(source, HubDataset) else file_rows(source)
    )
    first = list(itertools.islice(numbered, FIRST_ROWS))
    if not first:
        raise BadInput(f"{place}: there is no row. Give a file with data.")
    objects = [row for _, row in first if isinstance(row, dict)]
    if not objects:
        raise _refusal(place, [Malformed(line, reason) for line, reason in first], "Is it the right file?")
    layout = layout or detect_layout(objects, place)
    return _collected(place, layout, itertools.chain(first, numbered), strict)


def _collected(place: str, layout: str, rows: Iterable[tuple[int, Any]], strict: bool) -> OriginalData:
    merged: dict[str, _Merged] = {}
    malformed: list[Malformed] = []
    left_out: list[Malformed] = []
    count = 0
    for line, row in rows:
        count += 1
        try:
            if not isinstance(row, dict):
                raise BadRow(row)
            example = read_row(row, layout)
        except BadRow as bad:
            malformed.append(Malformed(line, bad.reason))
            continue
        left_out += (Malformed(line, reason) for reason in example.left_out)
        merged.setdefault(prompt_id(example.turns), _Merged(example.turns)).add(example, line)
    if not merged:
        raise _refusal(
            place, malformed, f"No row can be read as {layout}: correct them, or name another format."
        )
    if strict and (malformed or left_out):
        raise _refusal(place, malformed + left_out, "Correct them, or set strict = false to leave them out.")
    parts = merged.values()
    return OriginalData(
        place, layout, count, tuple(part.prompt(key) for key, part in merged.items()), tuple(malformed),
        tuple(left_out), sum(part.repeated for part in parts), sum(part.rescored() for part in parts),
    )  # fmt: skip


@dataclass
class _Merged:
    """The rows of one prompt: text -> who wrote it first, and every score that it was given."""

    turns: Turns
    lines: list[int] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)
    repeated: int = 0

    def add(self, example: Example, line: int) -> None:
        self.lines.append(line)
        for answer in example.answers:
            self.repeated += answer.text in self.models
            self.models[answer.text] = self.models.get(answer.text) or answer.model
            self.scores.setdefault(answer.text, []).extend(() if answer.score is None else (answer.score,))

    def rescored(self) -> int:
        return sum(len(set(scores)) > 1 for scores in self.scores.values())

    def prompt(self, key: str) -> OriginalPrompt:
        answers = (Answer(text, model, _mean(self.scores[text])) for text, model in self.models.items())
        return OriginalPrompt(key, self.turns, tuple(answers), tuple(self.lines))


def _mean(scores: Sequence[float]) -> float | None:
    """A single score as it is; a mean without the last digits, in which equal win shares can differ."""
    if len(scores) < 2:
        return scores[0] if scores else None
    return round(fmean(scores), 9)


def lines_by_reason(malformed: Iterable[Malformed]) -> dict[str, tuple[int, ...]]:
    """Reason -> the lines that it holds for, the most frequent reason first."""
    malformed = tuple(malformed)
    reasons = Counter(bad.reason for bad in malformed).most_common()
    return {reason: tuple(bad.line for bad in malformed if bad.reason == reason) for reason, _ in reasons}


def _refusal(place: str, malformed: Iterable[Malformed], remedy: str) -> BadInput:
    """One sentence for each reason."""
    return BadInput([
        f"{place}: {reason}: {len(lines):,} times, first in line {', '.join(map(str, lines[:SHOWN_LINES]))}. "
        f"{remedy}"
        for reason, lines in lines_by_reason(malformed).items()
    ])  # fmt: skip
