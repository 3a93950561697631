"""The judge's preferences between two sets of responses to the same prompts."""

from collections.abc import Mapping, Sequence

from harness.data.rows import Prompt, Response
from harness.evaluation.alpaca_eval import Comparison, compare, winrate_summary
from harness.judges.base import Contest
from harness.stages.job import Job
from harness.stages.shared import count_judge, judge_of, texts_by_prompt


def verdicts(
    job: Job, prompts: Sequence[Prompt], outputs: Sequence[Response], references: Sequence[Response]
) -> dict[str, list[float | None]]:
    """Compare sample i of the outputs with sample i of the references, for every prompt, by its id.

    Preferences are 1 (reference better) to 2 (output better), None where the judge gave no verdict.
    """
    judge = judge_of(job.params)
    own, other = texts_by_prompt(outputs), texts_by_prompt(references)
    asked = {prompt.transcript: prompt for prompt in prompts}
    comparisons = [
        Comparison(f"{prompt.id}/{index}", prompt.transcript, reference, output)
        for prompt in prompts
        for index, (reference, output) in enumerate(zip(other[prompt.id], own[prompt.id], strict=True))
    ]

    def prefer(rows: Sequence[tuple[str, str, str]]) -> list[float | None]:
        return judge.preferences([Contest(asked[row[0]], *row[1:]) for row in rows])

    preferences = compare(comparisons, prefer, seed=job.params["seed"])
    count_judge(job, judge)
    given = iter(preferences)
    return {prompt.id: [next(given) for _ in own[prompt.id]] for prompt in prompts}


def summary_of(preferences: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    """alpaca_eval's win rate over all of them."""
    return winrate_summary([value for values in preferences.values() for value in values])
