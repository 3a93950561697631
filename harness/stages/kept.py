"""Responses and scores of the prompts that breadth chose after scoring them: nothing is sampled twice."""

from harness.data.rows import Score
from harness.stages.job import Job
from harness.stages.shared import read_prompts, read_responses
from harness.store.formats import RESPONSES, SCORES, read_rows, write_rows


def run(job: Job) -> None:
    """Copy the rows of the chosen prompts, in their order."""
    chosen = {prompt.id for prompt in read_prompts(job.inputs["prompts"])}
    responses = read_responses(job.inputs["responses"])
    scores = read_rows(job.inputs["scores"] / SCORES, Score)
    write_rows(job.out / RESPONSES, [row for row in responses if row.prompt_id in chosen])
    write_rows(job.out / SCORES, [row for row in scores if row.prompt_id in chosen])
