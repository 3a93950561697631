"""Outputs on the evaluation prompts: a policy's, the null model's constant answer, or given ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.data.rows import Prompt, Response
from harness.errors import BadInput
from harness.stages.job import Job
from harness.stages.sampling import sampled
from harness.stages.shared import read_prompts, read_responses, sampling_of
from harness.store.formats import RESPONSES, write_rows


def run(job: Job) -> None:
    """Sample the outputs; policies under one seed share their random numbers, the reference has its own."""
    prompts, samples = read_prompts(job.inputs["held_out"]), job.params["samples"]
    if "answer" in job.params:
        rows = _repeated(prompts, {prompt.id: job.params["answer"] for prompt in prompts}, samples)
    elif "from" in job.params:
        rows = _repeated(prompts, _given(job.inputs[_GIVEN_BY[job.params["from"]]]), samples)
    else:
        settings = sampling_of(job.params, samples, job.params["stream"])
        rows = sampled(job, [(prompt, samples) for prompt in prompts], settings)
    write_rows(job.out / RESPONSES, rows)


_GIVEN_BY = {"dataset": "dataset", "official": "held_out"}
"""The input that holds the reference outputs, by where they are from."""


def _given(folder: Path) -> dict[str, str]:
    return {row.prompt_id: row.text for row in read_responses(folder) if row.index == 0}


def _repeated(prompts: Sequence[Prompt], texts: Mapping[str, str], samples: int) -> list[Response]:
    """One text to each prompt, as often as policies are sampled.

    Raises:
        BadInput: a prompt has none.
    """
    lacking = [prompt for prompt in prompts if prompt.id not in texts]
    if lacking:
        raise BadInput(
            f"evaluation.alpaca_eval.reference: {len(lacking)} of {len(prompts)} evaluation prompts have no "
            f"reference output, the first is '{lacking[0].text[:60]}'. Give one for each."
        )
    return [
        Response(prompt.id, index, texts[prompt.id], 0, True)
        for prompt in prompts
        for index in range(samples)
    ]
