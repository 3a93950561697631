"""The pairs that depth and pairing choose."""

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from harness.data.rows import PreferencePair, Prompt, Response, Score
from harness.methods import depth, pairing
from harness.methods.candidates import Candidates, Ints, make_candidates
from harness.methods.clustering import PairClusters, cluster_pairs
from harness.recipe import schema
from harness.stages.bank import read_features
from harness.stages.job import Job
from harness.stages.shared import PAIRS, SCORES, read_prompts, read_responses, variant
from harness.store.formats import read_rows, write_rows


@dataclass(frozen=True)
class _Pool:
    """The selected prompts, and their responses and scores in one flat order."""

    prompts: list[Prompt]
    responses: list[Response]
    scores: list[float]

    def candidates(self, judged_by: schema.Pairing) -> Candidates:
        """All usable pairs; the control `longest` judges by length."""
        position = {prompt.id: index for index, prompt in enumerate(self.prompts)}
        by_length = isinstance(judged_by, schema.LongestPairing)
        return make_candidates(
            [position[response.prompt_id] for response in self.responses],
            [response.text for response in self.responses],
            [float(len(response.text)) for response in self.responses] if by_length else self.scores,
        )


def run(job: Job) -> None:
    """Choose how many pairs each prompt gives, and which."""
    scores = [row.score for row in read_rows(job.inputs["scores"] / SCORES, Score)]
    pool = _Pool(read_prompts(job.inputs["prompts"]), read_responses(job.inputs["responses"]), scores)
    rule: schema.Depth = variant(schema.Depth, job.params["depth"])
    order: schema.Pairing = variant(schema.Pairing, job.params["pairing"])
    candidates = pool.candidates(order)
    rng = np.random.default_rng(job.params["seed"])
    clusters = _clusters(job, rule, candidates)
    total = job.params["budget"] or int(np.minimum(candidates.per_prompt, rule.pairs or 1).sum())
    counts = _counts(rule, candidates, clusters, pool, total, rng)
    chosen = _choose(order, candidates, clusters, counts, rng)
    write_rows(job.out / PAIRS, [_pair(pool, candidates, index) for index in chosen])


def _clusters(job: Job, rule: schema.Depth, candidates: Candidates) -> PairClusters | None:
    if not isinstance(rule, schema.GradientClustersDepth):
        return None
    features = read_features(job.inputs["gradients"], candidates)
    return cluster_pairs(features, rule.clusters, job.params["seed"])


def _counts(
    rule: schema.Depth,
    candidates: Candidates,
    clusters: PairClusters | None,
    pool: _Pool,
    total: int,
    rng: np.random.Generator,
) -> Ints:
    match rule:
        case schema.UniformDepth():
            return depth.uniform(candidates, total, rng, minimum=0)
        case schema.RandomDepth():
            return depth.at_random(candidates, total, rng, rule.minimum)
        case schema.LengthDepth():
            lengths = np.array([response.tokens for response in pool.responses])
            return depth.by_length(candidates, lengths, total, rule.minimum)
        case schema.ScoreGapDepth():
            return depth.by_score_gap(candidates, total, rule.minimum)
        case schema.GradientClustersDepth():
            assert clusters is not None
            return depth.by_gradient_clusters(candidates, clusters, rule.prefer, total, rng, rule.minimum)
        case _:
            assert_never(rule)


def _choose(
    order: schema.Pairing,
    candidates: Candidates,
    clusters: PairClusters | None,
    counts: Ints,
    rng: np.random.Generator,
) -> Ints:
    match order:
        case schema.RandomPairing() | schema.LongestPairing():
            return pairing.random_pairs(candidates, counts, rng)
        case schema.BestWorstPairing():
            return pairing.best_worst(candidates, counts)
        case schema.UniformPairing():
            return pairing.uniform(candidates, counts)
        case schema.NearestPairing():
            assert clusters is not None
            return pairing.nearest(candidates, counts, clusters)
        case _:
            assert_never(order)


def _pair(pool: _Pool, candidates: Candidates, index: int) -> PreferencePair:
    prompt = pool.prompts[candidates.prompt[index]]
    chosen = pool.responses[candidates.chosen[index]]
    rejected = pool.responses[candidates.rejected[index]]
    return PreferencePair(
        prompt_id=prompt.id,
        prompt=prompt.text,
        chosen=chosen.text,
        rejected=rejected.text,
        chosen_index=chosen.index,
        rejected_index=rejected.index,
        chosen_finished=chosen.finished,
        rejected_finished=rejected.finished,
        gap=float(candidates.gap[index]),
    )
