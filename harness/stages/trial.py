"""How good an adapter is on the validation prompts: what tuning chooses by."""

from harness.errors import Diverged, HarnessError
from harness.stages.job import Job
from harness.stages.sampling import sampled
from harness.stages.shared import read_prompts, read_responses, sampling_of
from harness.stages.verdicts import verdicts
from harness.store.formats import RESULT, write_json


def run(job: Job) -> None:
    """Sample responses, and have them judged against those of the untrained start.

    A trial whose training diverged has no win rate.
    """
    prompts, per_prompt = read_prompts(job.inputs["prompts"]), job.params["per_prompt"]
    settings = sampling_of(job.params, per_prompt, "outputs")
    try:
        outputs = sampled(job, [(prompt, per_prompt) for prompt in prompts], settings)
    except Diverged:
        write_json(job.out / RESULT, {"win_rate": None, "judged": 0})
        return
    summary = verdicts(job, prompts, outputs, read_responses(job.inputs["reference"])).summary
    if not summary["n_total"]:
        raise HarnessError("trial: the judge gave no verdict on any validation prompt. Check the judge.")
    write_json(job.out / RESULT, {"win_rate": summary["win_rate"], "judged": summary["n_total"]})
