"""What was read: breadth and depth of the original data, scores, lengths, and what is wrong with it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path

import numpy as np

from harness.data.original import OriginalData, OriginalPrompt, lines_by_reason


@dataclass(frozen=True)
class Spread:
    """Smallest, median, 95th percentile and largest of some numbers; each is one of them (nearest rank)."""

    smallest: float
    median: float
    p95: float
    largest: float


@dataclass(frozen=True)
class DataReport:
    """Figures of one source; counts that are keyed by a number say for how many prompts it holds.

    Attributes:
        place: the file or hub dataset.
        layout: the format's name.
        rows: rows read, malformed ones included.
        prompts: distinct prompts with a usable row: the breadth.
        responses: distinct responses of all prompts.
        pairs: pairs of responses to one prompt with different scores: breadth times depth.
        unscored: responses without a score.
        repeated_rows: rows whose prompt an earlier row has.
        repeated_answers: answers that were there already.
        rescored_answers: answers whose scores differ between rows; each counts with their mean.
        malformed: reason -> lines of the rows left out, the most frequent reason first.
        left_out: reason -> lines of single answers left out.
        turns_per_prompt: turns -> prompts.
        responses_per_prompt: responses -> prompts.
        pairs_per_prompt: pairs -> prompts: the depth that each prompt offers.
        scores: of all scored responses, or None.
        score_gaps: best minus worst score of each prompt with two scored responses or more, or None.
        prompt_characters: of all turns of a prompt together.
        response_characters: of each response, or None.
    """

    place: str
    layout: str
    rows: int
    prompts: int
    responses: int
    pairs: int
    unscored: int
    repeated_rows: int
    repeated_answers: int
    rescored_answers: int
    malformed: Mapping[str, tuple[int, ...]]
    left_out: Mapping[str, tuple[int, ...]]
    turns_per_prompt: Mapping[int, int]
    responses_per_prompt: Mapping[int, int]
    pairs_per_prompt: Mapping[int, int]
    scores: Spread | None
    score_gaps: Spread | None
    prompt_characters: Spread
    response_characters: Spread | None


def make_report(data: OriginalData) -> DataReport:
    """The figures of what was read."""
    prompts = data.prompts
    answers = [answer for prompt in prompts for answer in prompt.answers]
    pairs = [available_pairs(prompt) for prompt in prompts]
    return DataReport(
        place=data.place,
        layout=data.layout,
        rows=data.rows,
        prompts=len(prompts),
        responses=len(answers),
        pairs=sum(pairs),
        unscored=sum(answer.score is None for answer in answers),
        repeated_rows=sum(len(prompt.lines) - 1 for prompt in prompts),
        repeated_answers=data.repeated_answers,
        rescored_answers=data.rescored_answers,
        malformed=lines_by_reason(data.malformed),
        left_out=lines_by_reason(data.left_out),
        turns_per_prompt=_counts(len(prompt.turns) for prompt in prompts),
        responses_per_prompt=_counts(len(prompt.answers) for prompt in prompts),
        pairs_per_prompt=_counts(pairs),
        scores=_spread([answer.score for answer in answers if answer.score is not None]),
        score_gaps=_spread(score_gaps(prompts)),
        prompt_characters=_spread([_prompt_characters(prompt) for prompt in prompts]) or Spread(0, 0, 0, 0),
        response_characters=_spread([len(answer.text) for answer in answers]),
    )


def available_pairs(prompt: OriginalPrompt) -> int:
    """Pairs of the prompt's answers whose scores differ: all pairs of scored answers without the ties."""
    scores = [answer.score for answer in prompt.answers if answer.score is not None]
    return comb(len(scores), 2) - sum(comb(equal, 2) for equal in Counter(scores).values())


def score_gaps(prompts: Iterable[OriginalPrompt]) -> list[float]:
    """Best minus worst score of each prompt that has two scored answers or more."""
    scored = ([a.score for a in prompt.answers if a.score is not None] for prompt in prompts)
    return [max(scores) - min(scores) for scores in scored if len(scores) > 1]


def write_histograms(data: OriginalData, path: Path) -> None:
    """Draw responses per prompt, lengths and score gaps, as SVG or PNG by the path's ending."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    panels: dict[str, Sequence[float]] = {
        "responses per prompt": [len(prompt.answers) for prompt in data.prompts],
        "gap between the best and the worst score of a prompt": score_gaps(data.prompts),
        "characters of a prompt": [_prompt_characters(prompt) for prompt in data.prompts],
        "characters of a response": [len(a.text) for prompt in data.prompts for a in prompt.answers],
    }
    for axes, (label, values) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        axes.hist(values, bins=30)
        axes.set(xlabel=label, ylabel="count")
    place = data.place if data.place.isprintable() else repr(data.place)
    figure.suptitle(f"{len(data.prompts):,} prompts of {place} ({data.layout})", parse_math=False)
    with matplotlib.rc_context({"svg.hashsalt": "harness"}):  # the same picture each time
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _prompt_characters(prompt: OriginalPrompt) -> int:
    return sum(len(turn["content"]) for turn in prompt.turns)


def _counts(values: Iterable[int]) -> dict[int, int]:
    return dict(sorted(Counter(values).items()))


def _spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    points = np.quantile(values, [0, 0.5, 0.95, 1], method="inverted_cdf").tolist()
    return Spread(*points)
