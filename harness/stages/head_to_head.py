"""The judge's preference between two methods' outputs, both ways round where it sees both at once."""

from harness.stages.job import Job
from harness.stages.shared import read_prompts, read_responses
from harness.stages.verdicts import verdicts
from harness.store.formats import RESULT, write_json


def run(job: Job) -> int:
    """Compare sample by sample, for every prompt; how many have no verdict."""
    prompts = read_prompts(job.inputs["held_out"])
    outputs, reference = read_responses(job.inputs["outputs"]), read_responses(job.inputs["reference"])
    found = verdicts(job, prompts, outputs, reference, annotated=False)
    result = {"judge": found.judge, "preferences": found.preferences, "flips": found.flips}
    write_json(job.out / RESULT, result)
    return found.missing
