"""The pool's prompts."""

from harness.stages.drawn import drawn_prompts
from harness.stages.job import Job
from harness.store.formats import PROMPTS, write_rows
from harness.world.facts import make_world
from harness.world.prompts import training_prompts


def run(job: Job) -> None:
    """Draw prompts of a dataset, or of the embedded world's training half."""
    if "dataset" in job.inputs:
        write_rows(job.out / PROMPTS, drawn_prompts(job))
        return
    world = make_world(job.params["world"])
    write_rows(job.out / PROMPTS, training_prompts(world, job.params["source"]["count"], job.params["seed"]))
