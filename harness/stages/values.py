"""The value of each candidate pair under a depth rule, from the artifacts that the rule looks at."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, assert_never

import numpy as np

from harness.methods import values
from harness.methods.candidates import Candidates, Floats
from harness.methods.clustering import Matrix, PairClusters, cluster_pairs
from harness.methods.features import PairRows, unit_differences
from harness.recipe import rules
from harness.stages.bank import read_bank, read_features
from harness.stages.hidden_states import HIDDEN_STATES
from harness.stages.pool import ScoredPool, read_pool
from harness.store.formats import LOGPROBS, read_matrix

Inputs = Mapping[str, Path]


@dataclass(frozen=True)
class Evidence:
    """The artifacts that a rule looks at, and the table of the loss where pair gradients follow from it."""

    inputs: Inputs
    loss: Mapping[str, Any] | None

    def directions(self, bank: str, candidates: Candidates) -> Matrix:
        """[P, dim] unit descent directions of pairs, from the gradient bank of this name."""
        return read_features(self.inputs[bank], candidates, self.loss)


def clusters_of(
    rule: rules.Depth, candidates: Candidates, evidence: Evidence, seed: int
) -> PairClusters | None:
    """The clusters of pair features, where the rule has any."""
    if not isinstance(rule, rules.GradientClustersDepth):
        return None
    if rule.features == "hidden-states":
        form = partial(unit_differences, read_matrix(evidence.inputs["hidden_states"] / HIDDEN_STATES))
    else:
        form = partial(evidence.directions, "gradients")
    return cluster_pairs(PairRows(candidates, form), rule.clusters, seed, rule.algorithm)


def depth_values(
    rule: rules.Depth,
    candidates: Candidates,
    pool: ScoredPool,
    clusters: PairClusters | None,
    evidence: Evidence,
) -> Floats | None:
    """[P] What the rule ranks pairs by, highest first; None where it ranks no pairs."""
    inputs = evidence.inputs
    match rule:
        case rules.UniformDepth() | rules.RandomDepth() | rules.LengthDepth():
            return None
        case rules.ScoreGapDepth():
            return _preferred(rule.prefer, candidates.gap)
        case rules.LossDepth():
            return _preferred(rule.prefer, _margins(candidates, inputs))
        case rules.GradientNormDepth():
            return _preferred(rule.prefer, _gradient_distances(candidates, inputs))
        case rules.GradientClustersDepth():
            assert clusters is not None
            away = -clusters.distances if rule.prefer == "near" else clusters.distances
            return np.where(clusters.directionless, -np.inf, away)
        case rules.InfluenceDepth():
            return _influence(candidates, evidence)
        case rules.BeesDepth():
            return values.bees(candidates.gap, _margins(candidates, inputs))
        case rules.DeitaDepth():
            states = read_matrix(inputs["hidden_states"] / HIDDEN_STATES)
            return values.diversity_filtered(candidates, pool.scores, states, rule.similarity)
        case rules.IfdDepth():
            given, alone = (_logprobs(inputs[name]) for name in ("logprobs", "unconditional"))
            return values.ifd(candidates, given, alone)
        case _:
            assert_never(rule)


def response_distances(
    rule: rules.DiversePairing, candidates: Candidates, pool: ScoredPool, inputs: Inputs
) -> Floats:
    """[P] How far apart the two responses of each pair lie."""
    match rule.by:
        case "text":
            return values.text_distances(pool.texts, candidates)
        case "hidden-states":
            return values.distances(read_matrix(inputs["hidden_states"] / HIDDEN_STATES), candidates)
        case "gradients":
            return _gradient_distances(candidates, inputs)
        case _:
            assert_never(rule.by)


def _preferred(prefer: str, found: Floats) -> Floats:
    return found if prefer == "largest" else -found


def _gradient_distances(candidates: Candidates, inputs: Inputs) -> Floats:
    return values.distances(read_bank(inputs["gradients"]).gradients, candidates)


def _margins(candidates: Candidates, inputs: Inputs) -> Floats:
    warm, reference = (_logprobs(inputs[name]) for name in ("warm_logprobs", "logprobs"))
    return values.implicit_margins(candidates, warm, reference)


def _influence(candidates: Candidates, evidence: Evidence) -> Floats:
    validation = read_pool(evidence.inputs, "validation_").candidates()
    target = evidence.directions("validation_gradients", validation)
    return values.influence(PairRows(candidates, partial(evidence.directions, "gradients")), target)


def _logprobs(folder: Path) -> Matrix:
    return read_matrix(folder / LOGPROBS)
