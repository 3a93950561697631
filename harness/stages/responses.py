"""K responses for each prompt of a breadth selection: sampled, the dataset's own, or both."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, islice

from harness.data.rows import Prompt, Response
from harness.models.chat import encode
from harness.models.load import load_tokenizer
from harness.stages.drawn import own_responses
from harness.stages.job import Job
from harness.stages.sampling import sampled
from harness.stages.shards import join, share
from harness.stages.shared import read_prompts, sampling_of
from harness.stages.written import written_by_endpoint
from harness.store.formats import RESPONSES, write_rows


def run(job: Job) -> None:
    """Take or sample them; each sample is the same whatever other prompts are selected, or in the shard."""
    if job.parts:
        join(job, RESPONSES)
        return
    prompts, per_prompt = share(job, read_prompts(job.inputs["prompts"])), job.params["per_prompt"]
    if "endpoint" in job.params:
        responses = written_by_endpoint(job, prompts)
    else:
        own = _own(job, prompts, per_prompt) if "dataset" in job.inputs else []
        sample = job.params["kind"] != "dataset"
        responses = own + (_samples(job, prompts, own) if sample else [])
    place = {prompt.id: at for at, prompt in enumerate(prompts)}
    responses.sort(key=lambda response: (place[response.prompt_id], response.index))
    write_rows(job.out / RESPONSES, responses)


def _own(job: Job, prompts: Sequence[Prompt], most: int) -> list[Response]:
    """The dataset's first responses to each prompt, with as many tokens as the policy's tokenizer sees."""
    tokenizer, turns = load_tokenizer(job.inputs["base_model"]), {p.id: p.turns for p in prompts}
    by_prompt = groupby(
        own_responses(job.inputs["dataset"], job.params["scored"]), key=lambda row: row.prompt_id
    )
    return [
        replace(row, index=index, tokens=len(encode(tokenizer, turns[key], row.text, finished=True).response))
        for key, rows in by_prompt
        if key in turns
        for index, row in enumerate(islice(rows, most))
    ]


def _samples(job: Job, prompts: Sequence[Prompt], own: Sequence[Response]) -> list[Response]:
    """Samples that make K responses of the dataset's own, numbered after them."""
    per_prompt, there = job.params["per_prompt"], Counter(response.prompt_id for response in own)
    lacking = sorted(
        ((prompt, per_prompt - there[prompt.id]) for prompt in prompts), key=lambda each: each[1]
    )
    asked = [(prompt, count) for prompt, count in lacking if count]
    if not asked:
        return []
    rows = sampled(job, asked, sampling_of(job.params, per_prompt, "pool"))
    return [replace(row, index=row.index + there[row.prompt_id]) for row in rows]
