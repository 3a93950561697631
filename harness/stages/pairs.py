"""The pairs that depth and pairing choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import assert_never

import numpy as np
from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.data.rows import PreferencePair
from harness.errors import BadInput
from harness.methods import depth, pairing
from harness.methods.candidates import Candidates, Floats, Ints
from harness.methods.clustering import PairClusters
from harness.models.chat import prompt_ids, response_ids
from harness.models.load import load_tokenizer
from harness.recipe import rules
from harness.stages.job import Job
from harness.stages.pool import ScoredPool, read_pool
from harness.stages.shared import variant
from harness.stages.values import Evidence, clusters_of, depth_values, response_distances
from harness.store.formats import LEFT_OUT, PAIRS, write_json, write_rows

PROMPT_FILLS = "the prompt fills max_length"
EMPTY_CHOSEN = "the chosen response is empty"
SAME_ROWS = "both responses are the same within max_length"


@dataclass(frozen=True, eq=False)
class _Known:
    """All that depth and pairing look at; `values` [P] are the depth rule's, where it ranks pairs."""

    pool: ScoredPool
    candidates: Candidates
    clusters: PairClusters | None
    values: Floats | None
    rng: np.random.Generator


def run(job: Job) -> None:
    """Choose how many pairs each prompt gives, and which.

    What could not be chosen is counted beside them, by reason, where there is any.

    Raises:
        BadInput: there is no pair to choose, or too few of them for the budget.
    """
    pool, seed = read_pool(job.inputs), job.params["seed"]
    rule: rules.Depth = variant(rules.Depth, job.params["depth"])
    order: rules.Pairing = variant(rules.Pairing, job.params["pairing"])
    candidates, left_out = _trainable(pool, job)
    if not len(candidates):
        raise _none_left(left_out)
    evidence = Evidence(job.inputs, job.params.get("loss"))
    clusters = clusters_of(rule, candidates, evidence, seed)
    values = depth_values(rule, candidates, pool, clusters, evidence)
    known = _Known(pool, candidates, clusters, values, np.random.default_rng(seed))
    total = job.params["budget"] or int(np.minimum(candidates.per_prompt, rule.pairs or 1).sum())
    counts = _counts(rule, known, total)
    chosen = _choose(order, known, counts, job)
    write_rows(job.out / PAIRS, [_pair(pool, candidates, index) for index in chosen])
    if left_out:
        write_json(job.out / LEFT_OUT, left_out)


def _trainable(pool: ScoredPool, job: Job) -> tuple[Candidates, dict[str, int]]:
    """The usable pairs but those that training refuses or drops, and how many those are, by reason.

    Left out here, so that the budget is met by others, or the shortfall is known before any training: nothing
    of the responses would be left, or they would teach to say nothing, or nothing at all.
    """
    tokenizer, limit = load_tokenizer(job.inputs["base_model"]), job.params["max_length"]
    room = limit - np.array([len(prompt_ids(tokenizer, prompt.turns)) for prompt in pool.prompts], np.int64)
    written = np.array([bool(text.strip()) for text in pool.texts], bool)
    rows, candidates = _rows_within(pool, tokenizer, room), pool.candidates()
    untrainable = {
        PROMPT_FILLS: room[candidates.prompt] <= 0,
        EMPTY_CHOSEN: ~written[candidates.chosen],
        SAME_ROWS: rows[candidates.chosen] == rows[candidates.rejected],
    }
    kept = np.ones(len(candidates), bool)
    left_out: dict[str, int] = {}
    for reason, those in untrainable.items():
        if count := int((kept & those).sum()):
            left_out[reason] = count
        kept &= ~those
    return candidates.take(np.flatnonzero(kept)), left_out


def _none_left(left_out: Mapping[str, int]) -> BadInput:
    """The sentence for a pool without a pair to train on, of which so many were left out for each reason."""
    if not left_out:
        return BadInput(
            "pairs: no two responses to one prompt differ in text and in score, so there is no pair to train "
            "on. Take more prompts, more responses to each, or another judge."
        )
    reasons = "; ".join(f"{reason} ({count:,})" for reason, count in left_out.items())
    return BadInput(
        f"pairs: no pair is left of {sum(left_out.values()):,}: {reasons}. Give other responses, or a larger "
        "training.max_length."
    )


def _rows_within(pool: ScoredPool, tokenizer: Tokenizer, room: Ints) -> Ints:
    """[n] The first response to the same prompt with the same tokens, of which `room` [prompts] are kept."""
    found: list[int] = []
    for prompt, responses in groupby(range(len(pool.responses)), lambda at: int(pool.prompt_of[at])):
        first: dict[tuple[int, ...], int] = {}
        for at in responses:
            response = pool.responses[at]
            ids = response_ids(tokenizer, response.text, response.finished)
            found.append(first.setdefault(ids[: max(0, room[prompt])], at))
    return np.array(found, np.int64)


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
