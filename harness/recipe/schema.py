"""The recipe: everything that must be equal for a fair comparison, and the methods compared.

Tables are frozen, refuse unknown keys and never cast silently. A table with variants names one by
`kind`; each variant is a class whose docstring is the line that `harness methods` prints, with its
source.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MethodName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60)]
Role = Literal["pool", "selection", "training", "evaluation"]
Algorithm = Literal["k-means", "agglomerative"]


class Table(BaseModel):
    """A recipe table: frozen, strict, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Seeds(Table):
    """Which replicates are run, and what each of them draws anew."""

    replicates: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    vary: tuple[Role, ...] = ("pool", "selection", "training", "evaluation")

    def of(self, role: Role, replicate: int) -> int:
        """The seed of one role: the replicate's number where the role varies, else 0."""
        return replicate if role in self.vary else 0


class AtlasModel(Table):
    """The embedded world's base model, trained on first use (docs/world.md)."""

    kind: Literal["atlas"] = "atlas"
    seed: Seed = 0
    sft_steps: Count = 600


TRAINING_PROMPTS, HELD_OUT_PROMPTS = 2720, 1360
"""How many distinct prompts the embedded world has for training and for evaluation, under every seed."""


class AtlasPrompts(Table):
    """Prompts of the embedded world."""

    kind: Literal["atlas"] = "atlas"
    count: Annotated[int, Field(ge=1, le=TRAINING_PROMPTS)] = 640


class AtlasHeldOutPrompts(Table):
    """Prompts of the embedded world that no training sees."""

    kind: Literal["atlas"] = "atlas"
    count: Annotated[int, Field(ge=1, le=HELD_OUT_PROMPTS)] = 300


class SampledResponses(Table):
    """Responses sampled from the base model."""

    kind: Literal["sample"] = "sample"
    temperature: Positive = 1.0
    max_new_tokens: Count = 48


class OracleJudge(Table):
    """The embedded world's exact scorer, 0 to 10."""

    kind: Literal["oracle"] = "oracle"


class LengthJudge(Table):
    """Longer is better: a control that any length bias would follow."""

    kind: Literal["length"] = "length"


Judge = Annotated[OracleJudge | LengthJudge, Field(discriminator="kind")]


class Pool(Table):
    """Where prompts, responses and scores come from."""

    prompts: AtlasPrompts = AtlasPrompts()
    responses: SampledResponses = SampledResponses()
    judge: Judge = OracleJudge()


class Budget(Table):
    """What every method may spend; what it does not fix is reported as cost.

    `responses` are generated and judged; `pairs` are distinct pairs trained on.
    """

    responses: Count | None = None
    pairs: Count | None = None


class PolicyEmbedding(Table):
    """Mean-pooled last hidden states of the base model over the prompt."""

    kind: Literal["policy"] = "policy"


class Gradients(Table):
    """The gradient bank: rank and seed of its feature adapter, numbers kept for each response.

    `at` says where gradients are taken: at the reference, or at the adapter after a warm-up of
    `warmup_steps` steps on random pairs (arXiv 2402.04333), where `preconditioning` by the warm-up's Adam is
    possible. `tokens` and `layers` (the last ones; none: all) make cheaper features.
    """

    rank: Annotated[int, Field(ge=1, le=4096)] = 32
    dim: Annotated[int, Field(ge=16, le=2**20)] = 2048
    seed: Seed = 0
    sketch: Literal["count", "sign-fold"] = "count"
    at: Literal["reference", "warmup"] = "reference"
    warmup_steps: Count | None = None
    preconditioning: Literal["none", "frozen", "exact"] = "none"
    tokens: Literal["all", "response"] = "all"
    layers: Count | None = None


class Features(Table):
    """What breadth and depth look at."""

    embedding: PolicyEmbedding = PolicyEmbedding()
    gradients: Gradients = Gradients()


class Training(Table):
    """Equal optimiser work for all methods."""

    steps: Count
    pairs_per_step: Count = 32
    micro_batch: Count | None = None
    learning_rate: Positive
    beta: Positive = 0.1
    lora_rank: Count = 8
    schedule: Literal["constant", "cosine", "linear"] = "linear"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    max_length: Count = 128


class TrainingOverride(Table):
    """What one method changes in the training of all; the leaderboard shows it."""

    learning_rate: Positive | None = None
    beta: Positive | None = None


class AlpacaEval(Table):
    """Win rate against the untrained start on held-out prompts."""

    judge: Judge = OracleJudge()
    prompts: AtlasHeldOutPrompts = AtlasHeldOutPrompts()
    samples_per_prompt: Count = 4
    temperature: NonNegative = 1.0
    max_new_tokens: Count = 48


class LmEval(Table):
    """Tasks of lm-evaluation-harness."""

    tasks: Annotated[tuple[Literal["atlas_facts"], ...], Field(min_length=1)] = ("atlas_facts",)
    batch_size: Count = 64


class Evaluation(Table):
    """How every method is measured."""

    alpaca_eval: AlpacaEval = AlpacaEval()
    lm_eval: LmEval = LmEval()


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
    """Pairs of the smallest (or largest) implicit margin after a short DPO warm-up (arXiv 2508.04149)."""

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

    Margins are clipped to -2 and to their quantile `upper`.
    """

    kind: Literal["bees"]
    warmup_steps: Count = 12
    upper: Annotated[float, Field(gt=0, le=1)] = 0.95


class DeitaDepth(_MinimumDepth):
    """Pairs of the best responses, none nearer than `similarity` to one before (Deita, arXiv 2312.15685)."""

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


class DpoLoss(Table):
    """-log sigmoid(beta * margin of log-ratios) (arXiv 2305.18290, eq. 7)."""

    kind: Literal["dpo"] = "dpo"


class Method(Table):
    """One row of the board: breadth + depth + pairing + loss.

    An empty table is the untrained start. `answer` makes the null model: the same text for every
    prompt, no training.
    """

    responses_per_prompt: Annotated[int, Field(ge=2)] | None = None
    breadth: Breadth = RandomBreadth()
    depth: Depth = UniformDepth()
    pairing: Pairing = RandomPairing()
    loss: DpoLoss = DpoLoss()
    training: TrainingOverride = TrainingOverride()
    answer: Annotated[str, Field(min_length=1)] | None = None

    @property
    def trains(self) -> bool:
        """Whether the method trains at all."""
        return self.responses_per_prompt is not None


class Recipe(Table):
    """One comparison: what is held equal, and the methods compared."""

    title: Annotated[str, Field(min_length=1)]
    baseline: MethodName
    extends: str | None = None
    seeds: Seeds = Seeds()
    model: AtlasModel = AtlasModel()
    pool: Pool = Pool()
    budget: Budget
    features: Features = Features()
    training: Training
    evaluation: Evaluation = Evaluation()
    methods: Annotated[dict[MethodName, Method], Field(min_length=1)]


KINDS: dict[str, tuple[type[Table], ...]] = {
    "breadth": (AllBreadth, RandomBreadth, ClustersBreadth, KCenterBreadth, ScoreVarianceBreadth),
    "depth": (
        UniformDepth, RandomDepth, LengthDepth, ScoreGapDepth, LossDepth, GradientNormDepth,
        GradientClustersDepth, InfluenceDepth, BeesDepth, DeitaDepth, IfdDepth,
    ),
    "pairing": (
        RandomPairing, BestWorstPairing, BestRandomPairing, LargestGapPairing, SmallestGapPairing,
        MeanMinusTwoSdPairing, UniformPairing, NearestPairing, DiversePairing, TopPairing, LongestPairing,
    ),
    "loss": (DpoLoss,),
}  # fmt: skip


def kind_of(table: type[Table]) -> str:
    """The name by which a recipe asks for this variant."""
    (kind,) = table.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]
    return str(kind)
