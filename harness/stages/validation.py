"""Validation prompts: what selection and tuning may look at, neither in the pool nor in any evaluation."""

from harness.stages.drawn import drawn_prompts
from harness.stages.job import Job
from harness.store.formats import PROMPTS, write_rows
from harness.world.facts import make_world
from harness.world.prompts import training_prompts


def run(job: Job) -> None:
    """Prompts that come after the pool's last one in its log, and after `skip` more."""
    if "dataset" in job.inputs:
        write_rows(job.out / PROMPTS, drawn_prompts(job))
        return
    world, first = make_world(job.params["world"]), job.params["source"]["count"] + job.params["skip"]
    log = training_prompts(world, first + job.params["count"], job.params["seed"])
    write_rows(job.out / PROMPTS, log[first:])
