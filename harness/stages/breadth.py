"""The prompts that a method trains on."""

from typing import assert_never

import numpy as np

from harness.methods.breadth import cluster_representatives, every, random_prompts
from harness.methods.candidates import Ints
from harness.recipe import schema
from harness.stages.embeddings import EMBEDDINGS
from harness.stages.job import Job
from harness.stages.shared import PROMPTS, read_prompts, variant
from harness.store.formats import read_matrix, write_rows


def run(job: Job) -> None:
    """Select prompts of the pool, in the pool's order."""
    pool = read_prompts(job.inputs["prompts"])
    write_rows(job.out / PROMPTS, [pool[index] for index in _select(job, len(pool))])


def _select(job: Job, size: int) -> Ints:
    breadth: schema.Breadth = variant(schema.Breadth, job.params["breadth"])
    count, seed = job.params["count"], job.params["seed"]
    match breadth:
        case schema.AllBreadth():
            return every(size)
        case schema.RandomBreadth():
            return random_prompts(size, count, np.random.default_rng(seed))
        case schema.ClustersBreadth():
            return cluster_representatives(read_matrix(job.inputs["embeddings"] / EMBEDDINGS), count, seed)
        case _:
            assert_never(breadth)
