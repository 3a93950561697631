"""The judge's preference between each output and the reference, through alpaca_eval's own annotator."""

from harness.stages.job import Job
from harness.stages.shared import read_prompts, read_responses
from harness.stages.verdicts import verdicts
from harness.store.formats import RESULT, write_json


def run(job: Job) -> int:
    """Compare the policy's samples with the reference's, for every prompt; how many have no verdict."""
    prompts = read_prompts(job.inputs["held_out"])
    outputs, reference = read_responses(job.inputs["outputs"]), read_responses(job.inputs["reference"])
    found = verdicts(job, prompts, outputs, reference)
    result = {"judge": found.judge, "summary": found.summary, "preferences": found.preferences}
    write_json(job.out / RESULT, result | ({"flips": found.flips} if found.flips else {}))
    return found.missing
