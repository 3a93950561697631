"""A policy's outputs on the evaluation prompts, or the null model's constant answer."""

from harness.data.rows import Response
from harness.models.sampling import sample
from harness.stages.job import Job
from harness.stages.shared import count_sampling, policy_of, read_prompts, sampling_of
from harness.store.formats import RESPONSES, write_rows


def run(job: Job) -> None:
    """Sample the outputs; policies under one seed share their random numbers, the reference has its own."""
    prompts = read_prompts(job.inputs["held_out"])
    samples = job.params["samples"]
    if "answer" in job.params:
        answer = job.params["answer"]
        rows = [Response(prompt.id, index, answer, 0, True) for prompt in prompts for index in range(samples)]
        write_rows(job.out / RESPONSES, rows)
        return
    policy = policy_of(job)
    settings = sampling_of(job.params, samples, job.params["stream"])
    outputs = sample(policy, prompts, settings, job.progress)
    write_rows(job.out / RESPONSES, outputs)
    count_sampling(job, policy, prompts, outputs)
