"""Prompts drawn from a dataset: some to train on, some set apart for evaluation."""

from collections import Counter
from pathlib import Path

from harness.data.rows import Prompt, Response, Score
from harness.data.split import Split, split
from harness.errors import BadInput
from harness.stages.job import Job
from harness.stages.shared import read_prompts, read_responses
from harness.store.formats import SCORES, read_rows


def drawn_prompts(job: Job) -> list[Prompt]:
    """The `count` prompts after the `first` ones of the dataset's training half, in a seeded order.

    Raises:
        BadInput: it has fewer that can be used.
    """
    first, count, least = (job.params[name] for name in ("first", "count", "least"))
    own = own_responses(job.inputs["dataset"], job.params["scored"])
    answers = Counter(response.prompt_id for response in own)
    usable = [prompt for prompt in _half(job).training if answers[prompt.id] >= least]
    if len(usable) < first + count:
        scored = "scored " if job.params["scored"] else ""
        raise BadInput(
            f"pool.prompts.count: the data have {len(usable)} prompts for training"
            f"{f' with at least {least} {scored}responses' if least else ''}, but the pool and what follows "
            f"it ask for {first + count}. Lower it{' or pool.responses.least' if least else ''}."
        )
    return usable[first : first + count]


def own_responses(dataset: Path, scored: bool) -> list[Response]:
    """A dataset's responses, by prompt and in its order; only those that it scores, if `scored`."""
    responses = read_responses(dataset)
    if not scored:
        return responses
    known = {(row.prompt_id, row.index) for row in read_rows(dataset / SCORES, Score)}
    return [row for row in responses if (row.prompt_id, row.index) in known]


def held_out_of(job: Job) -> list[Prompt]:
    """The first `count` prompts of those that the dataset sets apart.

    Raises:
        BadInput: it sets fewer apart.
    """
    apart, count = _half(job).evaluation, job.params["source"]["count"]
    if len(apart) < count:
        raise BadInput(
            f"evaluation.alpaca_eval.prompts.count: the data set {len(apart)} prompts apart. Got {count}. "
            "Lower it, or raise pool.prompts.held_out."
        )
    return list(apart[:count])


def _half(job: Job) -> Split:
    longest = job.params["max_characters"]
    prompts = [
        prompt
        for prompt in read_prompts(job.inputs["dataset"])
        if longest is None or prompt.characters <= longest
    ]
    return split(prompts, job.params["held_out"], job.params.get("seed", 0))
