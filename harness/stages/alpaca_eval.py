"""The judge's preference between each output and the reference, through alpaca_eval's own annotator."""

from harness.stages.job import Job
from harness.stages.shared import judge_of, read_prompts, read_responses
from harness.stages.verdicts import summary_of, verdicts
from harness.store.formats import RESULT, write_json


def run(job: Job) -> None:
    """Compare the policy's samples with the reference's, for every prompt."""
    prompts = read_prompts(job.inputs["held_out"])
    outputs = read_responses(job.inputs["outputs"])
    preferences = verdicts(job, prompts, outputs, read_responses(job.inputs["reference"]))
    result = {
        "judge": judge_of(job.params).id,
        "summary": summary_of(preferences),
        "preferences": preferences,
    }
    write_json(job.out / RESULT, result)
