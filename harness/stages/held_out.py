"""The evaluation prompts: the same for all methods and replicates, none of them in any pool."""

from harness.stages.job import Job
from harness.store.formats import PROMPTS, write_rows
from harness.world.facts import make_world
from harness.world.prompts import held_out_prompts


def run(job: Job) -> None:
    """Draw the prompts of the embedded world's held-out half."""
    world = make_world(job.params["world"])
    write_rows(job.out / PROMPTS, held_out_prompts(world, job.params["source"]["count"], seed=0))
