"""The judge's score of each response."""

from harness.data.rows import Score
from harness.stages.job import Job
from harness.stages.shared import judge_of, read_prompts, read_responses
from harness.store.formats import RESULT, SCORES, write_json, write_rows


def run(job: Job) -> None:
    """Score every response, in the order of the responses."""
    judge = judge_of(job.params)
    prompts = {prompt.id: prompt for prompt in read_prompts(job.inputs["prompts"])}
    responses = read_responses(job.inputs["responses"])
    scores = [
        Score(response.prompt_id, response.index, judge.score(prompts[response.prompt_id], response.text))
        for response in responses
    ]
    write_rows(job.out / SCORES, scores)
    write_json(job.out / RESULT, {"judge": judge.id})
    job.meter.count_judge(calls=len(scores))
