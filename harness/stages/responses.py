"""K responses for each prompt of a breadth selection, sampled from the base model."""

from harness.models.sampling import sample
from harness.stages.job import Job
from harness.stages.shared import count_sampling, policy_of, read_prompts, sampling_of
from harness.store.formats import RESPONSES, write_rows


def run(job: Job) -> None:
    """Sample the responses; each is the same whatever other prompts are selected."""
    policy, prompts = policy_of(job), read_prompts(job.inputs["prompts"])
    settings = sampling_of(job.params, job.params["per_prompt"], "pool")
    responses = sample(policy, prompts, settings, job.progress)
    write_rows(job.out / RESPONSES, responses)
    count_sampling(job, policy, prompts, responses)
