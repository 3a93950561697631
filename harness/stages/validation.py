"""Validation prompts: what a selection may look at that is neither in its pool nor in any evaluation."""

from harness.stages.job import Job
from harness.store.formats import PROMPTS, write_rows
from harness.world.facts import make_world
from harness.world.prompts import training_prompts


def run(job: Job) -> None:
    """The prompts that come next in the pool's log: of the training half, and after the pool's last one."""
    world, pool = make_world(job.params["world"]), job.params["source"]["count"]
    log = training_prompts(world, pool + job.params["count"], job.params["seed"])
    write_rows(job.out / PROMPTS, log[pool:])
