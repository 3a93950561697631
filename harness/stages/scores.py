"""The judge's score of each response."""

from dataclasses import replace

from harness.data.rows import Score
from harness.judges.base import Answer
from harness.stages.job import Job
from harness.stages.judging import InWindows, count_judge, judge_of, scored
from harness.stages.shards import is_idle, join, share_of_rows, take_first
from harness.stages.shared import read_prompts, read_responses
from harness.store.formats import RESPONSES, RESULT, SCORES, count_rows, write_json, write_rows


def run(job: Job) -> None:
    """Score every response, in the order of the responses.

    Raises:
        HarnessError: some came to no score; pairs chosen without them would not be those of the recipe.
    """
    if job.parts:
        join(job, SCORES)
        take_first(job, RESULT)
        return
    folder = job.inputs["responses"]
    part = share_of_rows(job, count_rows(folder / RESPONSES))
    if is_idle(job, part):
        return
    progress = InWindows(job.progress)
    judge = judge_of(replace(job, progress=progress))
    prompts = {prompt.id: prompt for prompt in read_prompts(job.inputs["prompts"])}
    responses = read_responses(folder, part)
    answers = [Answer(prompts[response.prompt_id], response.text) for response in responses]
    scores = scored(judge, answers, progress)
    write_rows(
        job.out / SCORES,
        [
            Score(response.prompt_id, response.index, score)
            for response, score in zip(responses, scores, strict=True)
        ],
    )
    write_json(job.out / RESULT, {"judge": judge.id})
    count_judge(job, judge)
