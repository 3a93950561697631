"""Which data a method trains on: every kind of breadth, depth and pairing."""

from typing import Annotated, Literal

from pydantic import Field

from harness.recipe.features import Gradients
from harness.recipe.table import Count, Positive, Table

Algorithm = Literal["k-means", "agglomerative"]


class AllBreadth(Table):
    """Every prompt of the pool."""

    kind: Literal["all"]


class RandomBreadth(Table):
    """Prompts drawn at random: the usual data, on a budget."""

    kind: Literal["random"] = "random"
    prompts: Count | None = None


class ClustersBreadth(Table):
    """Representative prompts: those nearest the centres of clusters of embeddings (arXiv 2411.10914).

    `clusters`: as many as prompts, unless given. `pick`: from each cluster those nearest its centre, at
    random, or in proportion to its size (nearest first).
    """

    kind: Literal["clusters"]
    prompts: Count | None = None
    algorithm: Algorithm = "k-means"
    clusters: Count | None = None
    pick: Literal["centre", "random", "proportional"] = "centre"


class KCenterBreadth(Table):
    """Prompts that leave no other far away: greedy farthest point on embeddings (arXiv 1708.00489)."""

    kind: Literal["k-center"]
    prompts: Count | None = None


class ScoreVarianceBreadth(Table):
    """Prompts whose preference varies most between their responses: PVar (arXiv 2510.13022).

    Responses of `among` random prompts (the whole pool, unless given) are sampled and scored first, and all
    of them count against the responses budget.
    """

    kind: Literal["score-variance"]
    prompts: Count
    among: Count | None = None


Breadth = Annotated[
    AllBreadth | RandomBreadth | ClustersBreadth | KCenterBreadth | ScoreVarianceBreadth,
    Field(discriminator="kind"),
]


class _Depth(Table):
    pairs: Count | None = None


class UniformDepth(_Depth):
    """The same number of pairs for every prompt (arXiv 2411.10914, uniform balancing)."""

    kind: Literal["uniform"] = "uniform"


class _MinimumDepth(_Depth):
    minimum: Annotated[int, Field(ge=0)] = 1


class RandomDepth(_MinimumDepth):
    """Pairs allotted to prompts at random: the control of every depth rule."""

    kind: Literal["random"]


class LengthDepth(_MinimumDepth):
    """More pairs for prompts with longer responses (an ablation of arXiv 2411.10914)."""

    kind: Literal["length"]


class ScoreGapDepth(_MinimumDepth):
    """More pairs for prompts whose responses differ more in score.

    `count`: in proportion to the prompt's mean gap, or (top) as many as it has among the widest gaps of all.
    """

    kind: Literal["score-gap"]
    count: Literal["mean", "top"] = "mean"
    prefer: Literal["largest", "smallest"] = "largest"


class LossDepth(_MinimumDepth):
    """Pairs of the smallest (or largest) implicit margin after a short DPO warm-up (arXiv 2508.04149).

    The paper takes the margin of a policy that DPO has trained in full, on other data.
    """

    kind: Literal["loss"]
    prefer: Literal["smallest", "largest"] = "smallest"
    warmup_steps: Count = 12


class GradientNormDepth(_MinimumDepth):
    """Pairs of the largest (or smallest) gradient (GraNd, arXiv 2107.07075)."""

    kind: Literal["gradient-norm"]
    prefer: Literal["largest", "smallest"] = "largest"
    gradients: Gradients | None = None


class GradientClustersDepth(_MinimumDepth):
    """More pairs where pair gradients lie near a cluster's centre (our reading of arXiv 2411.10914).

    `count` turns distances into numbers: by rank over the whole pool, in proportion to a softmax of minus the
    distance (over `temperature`), or to the share of its cluster that a pair leaves behind.
    """

    kind: Literal["gradient-clusters"]
    clusters: Annotated[int, Field(ge=2)] = 16
    algorithm: Algorithm = "k-means"
    prefer: Literal["near", "far", "uniform"] = "near"
    count: Literal["rank", "softmax", "share"] = "rank"
    temperature: Positive = 0.1
    features: Literal["gradients", "hidden-states"] = "gradients"
    gradients: Gradients | None = None


class InfluenceDepth(_MinimumDepth):
    """Pairs whose gradient points where a validation set's does (LESS, arXiv 2402.04333).

    `validation` prompts are neither in the pool nor in any evaluation; their responses count against the
    responses budget, and the board flags the row.
    """

    kind: Literal["influence"]
    validation: Count = 16
    gradients: Gradients | None = None


class BeesDepth(_MinimumDepth):
    """Pairs of large margins, by score and by a warmed-up policy at once: BeeS (arXiv 2502.14560).

    The paper's policy is trained on 2,000 random pairs, ours for `warmup_steps` on random pairs.
    """

    kind: Literal["bees"]
    warmup_steps: Count = 12


class DeitaDepth(_MinimumDepth):
    """Pairs of the best responses, none nearer than `similarity` to one before (Deita, arXiv 2312.15685).

    Best by the judge's score, where Deita multiplies the scores of two trained scorers.
    """

    kind: Literal["deita"]
    similarity: Annotated[float, Field(gt=0, le=1)] = 0.9


class IfdDepth(_MinimumDepth):
    """Pairs whose chosen response its prompt helps least to predict: IFD (arXiv 2308.12032)."""

    kind: Literal["ifd"]


Depth = Annotated[
    UniformDepth
    | RandomDepth
    | LengthDepth
    | ScoreGapDepth
    | LossDepth
    | GradientNormDepth
    | GradientClustersDepth
    | InfluenceDepth
    | BeesDepth
    | DeitaDepth
    | IfdDepth,
    Field(discriminator="kind"),
]


class RandomPairing(Table):
    """Pairs drawn at random among those whose scores differ."""

    kind: Literal["random"] = "random"


class BestWorstPairing(Table):
    """Best against worst, second best against second worst, and so on (the usual rule of on-policy DPO)."""

    kind: Literal["best-worst"]


class BestRandomPairing(Table):
    """The best response against others drawn at random."""

    kind: Literal["best-random"]


class LargestGapPairing(Table):
    """The widest score gaps; a response may stand in several pairs (external margin)."""

    kind: Literal["largest-gap"]


class SmallestGapPairing(Table):
    """The narrowest score gaps: the inverse of external margin."""

    kind: Literal["smallest-gap"]


class MeanMinusTwoSdPairing(Table):
    """The best response against those scored nearest to mean - 2 s.d. (arXiv 2502.16825)."""

    kind: Literal["mean-minus-2sd"]


class DiversePairing(Table):
    """The pairs whose two responses lie farthest apart, in words, hidden states or gradients."""

    kind: Literal["diverse"]
    by: Literal["text", "hidden-states", "gradients"] = "text"


class TopPairing(Table):
    """The pairs that the depth rule itself ranks highest: with `minimum = 0`, the best of the whole pool."""

    kind: Literal["top"]


class UniformPairing(Table):
    """Pairs evenly spaced over the ranking of score gaps (arXiv 2411.10914: pairs built uniformly)."""

    kind: Literal["uniform"]


class NearestPairing(Table):
    """The pairs nearest to the centre of their gradient cluster (our reading of arXiv 2411.10914)."""

    kind: Literal["nearest"]


class LongestPairing(Table):
    """The longer response is chosen, scores ignored: the control for length bias."""

    kind: Literal["longest"]


Pairing = Annotated[
    RandomPairing
    | BestWorstPairing
    | BestRandomPairing
    | LargestGapPairing
    | SmallestGapPairing
    | MeanMinusTwoSdPairing
    | UniformPairing
    | NearestPairing
    | DiversePairing
    | TopPairing
    | LongestPairing,
    Field(discriminator="kind"),
]
