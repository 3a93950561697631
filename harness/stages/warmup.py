"""The feature adapter after a short training on random pairs, with Adam's moments."""

from harness.stages.adapter import train_adapter
from harness.stages.job import Job


def run(job: Job) -> None:
    """A training like any other, whose adapter gradients are then taken at."""
    train_adapter(job, keep_moments=True)
