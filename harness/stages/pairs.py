"""The pairs that depth and pairing choose."""

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from harness.data.rows import PreferencePair
from harness.methods import depth, pairing
from harness.methods.candidates import Candidates, Floats, Ints
from harness.methods.clustering import PairClusters
from harness.models.chat import prompt_ids
from harness.models.load import load_tokenizer
from harness.recipe import rules
from harness.stages.job import Job
from harness.stages.pool import ScoredPool, read_pool
from harness.stages.shared import variant
from harness.stages.values import Evidence, clusters_of, depth_values, response_distances
from harness.store.formats import PAIRS, write_rows


@dataclass(frozen=True, eq=False)
class _Known:
    """All that depth and pairing look at; `values` [P] are the depth rule's, where it ranks pairs."""

    pool: ScoredPool
    candidates: Candidates
    clusters: PairClusters | None
    values: Floats | None
    rng: np.random.Generator


def run(job: Job) -> None:
    """Choose how many pairs each prompt gives, and which."""
    pool, seed = read_pool(job.inputs), job.params["seed"]
    rule: rules.Depth = variant(rules.Depth, job.params["depth"])
    order: rules.Pairing = variant(rules.Pairing, job.params["pairing"])
    candidates = _trainable(pool, job)
    evidence = Evidence(job.inputs, job.params.get("loss"))
    clusters = clusters_of(rule, candidates, evidence, seed)
    values = depth_values(rule, candidates, pool, clusters, evidence)
    known = _Known(pool, candidates, clusters, values, np.random.default_rng(seed))
    total = job.params["budget"] or int(np.minimum(candidates.per_prompt, rule.pairs or 1).sum())
    counts = _counts(rule, known, total)
    chosen = _choose(order, known, counts, job)
    write_rows(job.out / PAIRS, [_pair(pool, candidates, index) for index in chosen])


def _trainable(pool: ScoredPool, job: Job) -> Candidates:
    """The usable pairs but those that training refuses or drops: whose prompt alone fills `max_length`, so
    that nothing of the responses is left, and those that would teach to say nothing.

    Left out here, so that the budget is met by others, or the shortfall is known before any training.
    """
    tokenizer, limit = load_tokenizer(job.inputs["base_model"]), job.params["max_length"]
    fits = np.array([len(prompt_ids(tokenizer, prompt.turns)) < limit for prompt in pool.prompts])
    written = np.array([bool(text.strip()) for text in pool.texts])
    candidates = pool.candidates()
    return candidates.take(np.flatnonzero(fits[candidates.prompt] & written[candidates.chosen]))


def _counts(rule: rules.Depth, known: _Known, total: int) -> Ints:
    candidates = known.candidates
    match rule:
        case rules.UniformDepth():
            return depth.uniform(candidates, total, known.rng, minimum=0)
        case rules.RandomDepth():
            return depth.at_random(candidates, total, known.rng, rule.minimum)
        case rules.LengthDepth():
            lengths = np.array([response.tokens for response in known.pool.responses])
            return depth.by_length(candidates, lengths, total, rule.minimum)
        case rules.ScoreGapDepth(count="mean"):
            return depth.by_score_gap(candidates, total, rule.minimum)
        case rules.GradientClustersDepth():
            return _by_clusters(rule, known, total)
        case (
            rules.ScoreGapDepth()
            | rules.LossDepth()
            | rules.GradientNormDepth()
            | rules.InfluenceDepth()
            | rules.BeesDepth()
            | rules.DeitaDepth()
            | rules.IfdDepth()
        ):
            assert known.values is not None
            return depth.by_value(candidates, known.values, total, rule.minimum)
        case _:
            assert_never(rule)


def _by_clusters(rule: rules.GradientClustersDepth, known: _Known, total: int) -> Ints:
    candidates, clusters = known.candidates, known.clusters
    assert clusters is not None
    match rule.count:
        case "rank":
            return depth.by_gradient_clusters(
                candidates, clusters, rule.prefer, total, known.rng, rule.minimum
            )
        case "softmax":
            weights = depth.softmax_weights(clusters, rule.prefer, rule.temperature)
        case "share":
            weights = depth.share_weights(clusters, rule.prefer)
        case _:
            assert_never(rule.count)
    return depth.by_weight(candidates, weights, total, rule.minimum)


def _choose(order: rules.Pairing, known: _Known, counts: Ints, job: Job) -> Ints:
    candidates, scores, rng = known.candidates, known.pool.scores, known.rng
    match order:
        case rules.RandomPairing() | rules.LongestPairing():
            return pairing.random_pairs(candidates, counts, rng)
        case rules.BestWorstPairing():
            return pairing.best_worst(candidates, counts, scores)
        case rules.BestRandomPairing():
            return pairing.best_random(candidates, counts, scores, rng)
        case rules.LargestGapPairing():
            return pairing.largest_gap(candidates, counts)
        case rules.SmallestGapPairing():
            return pairing.smallest_gap(candidates, counts)
        case rules.MeanMinusTwoSdPairing():
            return pairing.mean_minus_2sd(candidates, counts, scores, known.pool.prompt_of)
        case rules.UniformPairing():
            return pairing.uniform(candidates, counts)
        case rules.NearestPairing():
            assert known.clusters is not None
            return pairing.nearest(candidates, counts, known.clusters)
        case rules.DiversePairing():
            apart = response_distances(order, candidates, known.pool, job.inputs)
            return pairing.by_value(candidates, counts, apart)
        case rules.TopPairing():
            assert known.values is not None
            return pairing.by_value(candidates, counts, known.values)
        case _:
            assert_never(order)


def _pair(pool: ScoredPool, candidates: Candidates, index: int) -> PreferencePair:
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
        history=prompt.history,
    )
