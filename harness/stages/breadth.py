"""The prompts that a method trains on."""

from typing import assert_never

import numpy as np

from harness.methods import breadth
from harness.methods.candidates import Ints
from harness.methods.clustering import Matrix, cluster
from harness.recipe import rules
from harness.stages.embeddings import EMBEDDINGS
from harness.stages.job import Job
from harness.stages.pool import read_pool
from harness.stages.shared import read_prompts, variant
from harness.store.formats import PROMPTS, read_matrix, write_rows


def run(job: Job) -> None:
    """Select prompts of the pool, in the pool's order."""
    pool = read_prompts(job.inputs["prompts"])
    write_rows(job.out / PROMPTS, [pool[index] for index in _select(job, len(pool))])


def _select(job: Job, size: int) -> Ints:
    rule: rules.Breadth = variant(rules.Breadth, job.params["breadth"])
    count, seed = job.params["count"], job.params["seed"]
    rng = np.random.default_rng(seed)
    match rule:
        case rules.AllBreadth():
            return breadth.every(size)
        case rules.RandomBreadth():
            return breadth.random_prompts(size, count, rng)
        case rules.ClustersBreadth():
            found = cluster(_embeddings(job), min(rule.clusters or count, size), seed, rule.algorithm)
            return breadth.cluster_representatives(found, count, rule.pick, rng)
        case rules.KCenterBreadth():
            return breadth.k_center(_embeddings(job), count, rng)
        case rules.ScoreVarianceBreadth():
            pool = read_pool(job.inputs)
            return breadth.highest(breadth.preference_variance(pool.prompt_of, pool.scores, size), count)
        case _:
            assert_never(rule)


def _embeddings(job: Job) -> Matrix:
    return read_matrix(job.inputs["embeddings"] / EMBEDDINGS)
