"""How to train."""

from dataclasses import dataclass

from harness.errors import BadInput
from harness.methods.losses import PairLoss


@dataclass(frozen=True)
class TrainingSettings:
    """How to train: to make the mean of `loss` small.

    An optimiser step sees `pairs_per_step` pairs, `micro_batch` of them at a time; rows longer than
    `max_length` tokens are cut. `rank` is the LoRA rank; the LoRA scaling is 1 (alpha = rank). `schedule` is
    a learning-rate schedule of transformers ("linear", "cosine", ...).
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

    def __post_init__(self) -> None:
        if self.pairs_per_step % self.micro_batch:
            raise BadInput(
                f"training.micro_batch: must divide pairs_per_step ({self.pairs_per_step}). "
                f"Got {self.micro_batch}."
            )
