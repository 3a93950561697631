"""What was trained on, and how it went."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainingStep:
    """Means over one step's pairs, before its update; the margin is that of the log-ratios, in nats."""

    loss: float
    margin: float
    accuracy: float


@dataclass(frozen=True)
class TrainingReport:
    """What was trained on, and how it went. Tokens leave pads out.

    `reference` says where the reference's log-probabilities came from: all of them were known ("bank"), or
    those of `reference_rows` rows were computed. `tokens_forward` counts the policy's rows and those of the
    reference that were computed; `tokens_backward` the policy's alone. `parameters` counts all that a token
    passes through, the adapter included, `trainable` the adapter's.
    """

    loss_first: float
    loss_last: float
    history: tuple[TrainingStep, ...]
    pairs: int
    pairs_dropped: int
    pairs_truncated: int
    reference: Literal["bank", "computed"]
    reference_rows: int
    tokens_forward: int
    tokens_backward: int
    parameters: int
    trainable: int
