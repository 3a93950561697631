"""Prompts drawn from a dataset: some to train on, some set apart for evaluation."""

from collections import Counter

from harness.data.rows import Prompt
from harness.data.split import Split, split
from harness.errors import BadInput
from harness.stages.job import Job
from harness.stages.shared import read_prompts, read_responses


def drawn_prompts(job: Job) -> list[Prompt]:
    """The `count` prompts after the `first` ones of the dataset's training half, in a seeded order.

    Raises:
        BadInput: it has fewer that can be used.
    """
    first, count, least = (job.params[name] for name in ("first", "count", "least"))
    answers = Counter(response.prompt_id for response in read_responses(job.inputs["dataset"]))
    usable = [prompt for prompt in _half(job).training if answers[prompt.id] >= least]
    if len(usable) < first + count:
        raise BadInput(
            f"pool.prompts.count: the data have {len(usable)} prompts for training"
            f"{f' with at least {least} responses' if least else ''}, but the pool and what follows it ask "
            f"for {first + count}. Lower it."
        )
    return usable[first : first + count]


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
