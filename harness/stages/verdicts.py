"""The judge's preferences between two sets of responses to the same prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from harness.data.rows import Prompt, Response
from harness.evaluation.alpaca_eval import Comparison, PairJudge, compare, winrate_summary
from harness.evaluation.alpaca_eval_official import EVALUATOR, evaluator, official_verdicts
from harness.judges.base import Contest
from harness.judges.endpoint import EndpointChat
from harness.recipe.judges import EndpointJudge
from harness.stages.asking import caller_of
from harness.stages.job import Job
from harness.stages.judging import count_judge, judge_of, judge_table
from harness.stages.shared import texts_by_prompt


@dataclass(frozen=True)
class Found:
    """Preferences of each prompt by its id: 1 (reference better) to 2 (output better), None where missing.

    `flips` counts comparisons that were asked both ways round with opposite verdicts.
    """

    judge: str
    preferences: Mapping[str, list[float | None]]
    flips: int

    @property
    def _all(self) -> list[float | None]:
        return [value for values in self.preferences.values() for value in values]

    @property
    def missing(self) -> int:
        """Comparisons without a verdict."""
        return self._all.count(None)

    @property
    def summary(self) -> dict[str, float | None]:
        """alpaca_eval's win rate over all that there are; None where they are too few for a figure."""
        figures = winrate_summary(self._all)
        return {name: value if isfinite(value) else None for name, value in figures.items()}


def verdicts(
    job: Job,
    prompts: Sequence[Prompt],
    outputs: Sequence[Response],
    references: Sequence[Response],
    annotated: bool = True,
) -> Found:
    """Compare sample i of the outputs with sample i of the references, for every prompt.

    `annotated` asks through alpaca_eval's annotator, which draws the text that the judge sees first. Else the
    judge sees the reference first: for one that asks both ways round, or scores single responses.
    """
    own, other = texts_by_prompt(outputs), texts_by_prompt(references)
    comparisons = [
        Comparison(f"{prompt.id}/{index}", prompt.transcript, reference, output)
        for prompt in prompts
        for index, (reference, output) in enumerate(zip(other[prompt.id], own[prompt.id], strict=True))
    ]
    table = judge_table(job)
    if isinstance(table, EndpointJudge) and table.template == EVALUATOR:
        judge, given, flips = _by_evaluator(job, table, comparisons)
    else:
        judge, given, flips = _by_judge(job, prompts, comparisons, annotated)
    values = iter(given)
    return Found(judge, {prompt.id: [next(values) for _ in own[prompt.id]] for prompt in prompts}, flips)


Given = tuple[str, list[float | None], int]
"""The judge's id, the preferences in order, and flips."""


def _by_judge(
    job: Job, prompts: Sequence[Prompt], comparisons: Sequence[Comparison], annotated: bool
) -> Given:
    judge, asked = judge_of(job), {prompt.transcript: prompt for prompt in prompts}

    def prefer(rows: Sequence[tuple[str, str, str]]) -> list[float | None]:
        return judge.preferences([Contest(asked[row[0]], *row[1:]) for row in rows])

    if annotated:
        preferences = compare(comparisons, prefer, seed=job.params["seed"])
    else:
        preferences = _directly(comparisons, prefer)
    count_judge(job, judge)
    return judge.id, preferences, judge.usage.flips


def _directly(comparisons: Sequence[Comparison], prefer: PairJudge) -> list[float | None]:
    """As the annotator: identical texts get 1.5 without a verdict, and equal comparisons share one."""
    rows = [(entry.instruction, entry.reference, entry.output) for entry in comparisons]
    asked = list(dict.fromkeys(row for row in rows if row[1] != row[2]))
    found = dict(zip(asked, prefer(asked), strict=True))
    return [found.get(row, 1.5) for row in rows]


def _by_evaluator(job: Job, table: EndpointJudge, comparisons: Sequence[Comparison]) -> Given:
    """By alpaca_eval's own evaluator: its words, parser and parameters, and our calls."""
    chat, rules = EndpointChat(caller_of(job, table), job.progress), evaluator(table.template)
    found = official_verdicts(comparisons, chat.complete, rules, job.params["seed"], table.both_orders)
    used = chat.usage
    job.meter.count_judge(used.calls, used.usd, (used.tokens_in, used.tokens_out), used.unpriced)
    return rules.id(table.model, table.both_orders), found.preferences, found.flips
