"""How to train."""

from dataclasses import dataclass
from typing import Literal

from harness.errors import BadInput
from harness.methods.losses import PairLoss

Batching = Literal["prompts", "pairs"]
Weights = Literal["lora", "full", "qlora"]
Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class TrainingSettings:
    """How to train: to make the mean of `loss` small.

    With `batching` "prompts" an optimiser step sees `prompts_per_step` prompts with all their pairs (None: as
    many as hold `pairs_per_step` on average), in as many forward passes as `micro_batch` pairs need. With
    "pairs" it sees `pairs_per_step` pairs, `micro_batch` at a time, as TRL batches them. `micro_batch`
    must divide `pairs_per_step`.

    `weights` says what is trained: a LoRA adapter of rank `rank` and scaling 1 (alpha = rank) on the linear
    layers whose names end in one of `targets` (None: on all of them), the same on a base in 4 bits ("qlora"),
    or everything ("full"). `precision` is that of the arithmetic; trained weights are fp32 in all
    of them. In "fp16" the loss is scaled, and a step whose gradient overflows changes nothing. Rows longer
    than `max_length` tokens are cut. `schedule` is one of transformers ("linear", "cosine", ...).
    """

    loss: PairLoss
    steps: int
    pairs_per_step: int
    micro_batch: int
    learning_rate: float
    rank: int
    max_length: int
    schedule: str
    warmup_steps: int
    seed: int
    batching: Batching = "prompts"
    prompts_per_step: int | None = None
    weights: Weights = "lora"
    targets: tuple[str, ...] | None = None
    precision: Precision = "fp32"
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class SupervisedSettings:
    """How to fine-tune on given responses.

    A step sees `batch_size` examples, `micro_batch` at a time (None: all at once), and each response token
    weighs the same. There are `steps` of them. An adapter ("lora") is merged into the model at the end. All
    else is as in `TrainingSettings`.
    """

    learning_rate: float
    batch_size: int
    max_length: int
    steps: int
    micro_batch: int | None = None
    schedule: str = "cosine"
    warmup_steps: int = 0
    seed: int = 0
    weights: Literal["lora", "full"] = "lora"
    rank: int = 64
    targets: tuple[str, ...] | None = None
    precision: Precision = "fp32"
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.micro_batch is not None and self.batch_size % self.micro_batch:
            raise BadInput(
                f"model.sft.micro_batch: must divide rows_per_step ({self.batch_size}). "
                f"Got {self.micro_batch}."
            )
