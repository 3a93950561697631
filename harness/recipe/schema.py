"""The recipe: everything that must be equal for a fair comparison, and the methods compared.

Tables are frozen, refuse unknown keys and never cast silently. A table with variants names one by
`kind`; each variant is a class whose docstring is the line that `harness methods` prints, with its
source.
"""

from typing import Annotated, Literal, get_args

from pydantic import Field

from harness.recipe.evaluation import Evaluation, LmEval
from harness.recipe.features import Features
from harness.recipe.losses import KINDS as LOSSES
from harness.recipe.losses import DpoLoss, Loss
from harness.recipe.model import AtlasModel, Model, Precision
from harness.recipe.pool import Pool, Sampling
from harness.recipe.resources import Resources
from harness.recipe.rules import Breadth, Depth, Pairing, RandomBreadth, RandomPairing, UniformDepth
from harness.recipe.table import Count, Positive, Seed, Table
from harness.recipe.tuning import MethodTuning, Tuning

MethodName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60)]
Role = Literal["pool", "selection", "training", "evaluation"]


class Seeds(Table):
    """Which replicates are run, and what each of them draws anew."""

    replicates: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    vary: tuple[Role, ...] = ("pool", "selection", "training", "evaluation")

    def of(self, role: Role, replicate: int) -> int:
        """The seed of one role: the replicate's number where the role varies, else 0."""
        return replicate if role in self.vary else 0


class Budget(Table):
    """What every method may spend; what it does not fix is reported as cost.

    `responses` are generated and judged; `pairs` are distinct pairs trained on.
    """

    responses: Count | None = None
    pairs: Count | None = None


class Training(Table):
    """Equal optimiser work for all methods (docs/training.md)."""

    steps: Count
    pairs_per_step: Count = 32
    prompts_per_step: Count | None = None
    micro_batch: Count | None = None
    batching: Literal["prompts", "pairs"] = "prompts"
    learning_rate: Positive
    weights: Literal["lora", "full", "qlora"] = "lora"
    lora_rank: Count = 8
    targets: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] | None = None
    precision: Precision = "fp32"
    gradient_checkpointing: bool = False
    schedule: Literal["constant", "cosine", "linear"] = "linear"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    max_length: Count = 128


class TrainingOverride(Table):
    """What one method changes in the training of all; the leaderboard shows it."""

    learning_rate: Positive | None = None


class Method(Table):
    """One row of the board: breadth + depth + pairing + loss (the recipe's, unless given).

    An empty table is the untrained start. `answer` makes the null model: the same text for every
    prompt, no training.
    """

    responses_per_prompt: Annotated[int, Field(ge=2)] | None = None
    breadth: Breadth = RandomBreadth()
    depth: Depth = UniformDepth()
    pairing: Pairing = RandomPairing()
    loss: Loss | None = None
    training: TrainingOverride = TrainingOverride()
    tuning: MethodTuning | None = None
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
    model: Model = AtlasModel()
    pool: Pool = Pool()
    sampling: Sampling = Sampling()
    budget: Budget
    features: Features = Features()
    training: Training
    loss: Loss = DpoLoss()
    tuning: Tuning | None = None
    evaluation: Evaluation = Evaluation()
    resources: Resources = Resources()
    methods: Annotated[dict[MethodName, Method], Field(min_length=1)]

    @property
    def lm_eval(self) -> LmEval | None:
        """What lm-eval measures: the embedded world's own task where the recipe names none."""
        default = LmEval() if isinstance(self.model, AtlasModel) else None
        return self.evaluation.lm_eval or default

    def loss_of(self, method: Method) -> Loss:
        """The loss that a method trains with: its own, or that of all."""
        return method.loss or self.loss

    def training_of(self, method: Method) -> Training:
        """How a method is trained: as all are, but for what it changes."""
        return self.training.model_copy(update=method.training.model_dump(exclude_none=True))


KINDS: dict[str, tuple[type[Table], ...]] = {
    "breadth": get_args(get_args(Breadth)[0]),
    "depth": get_args(get_args(Depth)[0]),
    "pairing": get_args(get_args(Pairing)[0]),
    "loss": LOSSES,
}
"""Part of a method -> its variants: those of the union that the annotation begins with."""


def kind_of(table: type[Table]) -> str:
    """The name by which a recipe asks for this variant."""
    (kind,) = table.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]
    return str(kind)
