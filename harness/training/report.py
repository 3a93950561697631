"""What was trained on, and how it went."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from harness.training.grouped import Prefix
from harness.training.settings import Batching

COLLAPSE = 1.0
"""Nats per token. A fall of the chosen responses by so much leaves each token 0.37 times its probability."""


@dataclass(frozen=True)
class TrainingStep:
    """Means over one step's pairs, before its update.

    The margin is that of the log-ratios, in nats; `chosen` is the log-ratio of the chosen responses, in nats
    per token. Without a reference they are those of the log-probabilities.
    """

    loss: float
    margin: float
    accuracy: float
    chosen: float


@dataclass(frozen=True)
class MicroBatch:
    """Sums over the pairs of one forward pass of step `step`, counted from 0."""

    step: int
    pairs: int
    loss: float
    margin: float
    accurate: float
    chosen: float


@dataclass(frozen=True)
class TrainingReport:
    """What was trained on, and how it went. Tokens leave pads out.

    `prompts_per_step` is what was taken, and `prefix` how the prompt was shared between its responses; both
    are None with batching "pairs". `pairs` counts distinct pairs trained on, `pairs_dropped` those whose
    prompt fills `max_length`.

    `reference` says where the reference's log-probabilities came from: all of them were known, those of
    `reference_rows` rows were computed, or the loss needs none. `tokens_forward` counts the policy's tokens
    and those of the reference that were computed; `tokens_backward` the policy's alone. A prompt that its
    responses share counts once. `tokens_padding` counts the pads that ran forward. `parameters` counts all
    that a token passes through, the adapter included, `trainable` the trained ones. `flags` are warnings
    (`flags_of`). `processes` is how many really ran.
    """

    loss_first: float
    loss_last: float
    history: tuple[TrainingStep, ...]
    batching: Batching
    prompts_per_step: int | None
    prefix: Prefix | None
    pairs: int
    pairs_dropped: int
    pairs_truncated: int
    reference: Literal["known", "computed", "none"]
    reference_rows: int
    tokens_forward: int
    tokens_backward: int
    tokens_padding: int
    parameters: int
    trainable: int
    flags: tuple[str, ...]
    processes: int


def history_of(batches: Iterable[MicroBatch]) -> tuple[TrainingStep, ...]:
    """One entry for each optimiser step, in order, however many micro-batches and pairs it had."""
    ordered = sorted(batches, key=lambda batch: batch.step)
    return tuple(_step(list(group)) for _, group in groupby(ordered, key=lambda batch: batch.step))


def flags_of(history: Sequence[TrainingStep]) -> tuple[str, ...]:
    """Warnings about a training, for people.

    "chosen responses fall": over the last tenth of the steps the chosen responses' log-probability per token
    lies more than `COLLAPSE` under that of the first step.
    """
    last = history[-max(1, len(history) // 10) :]
    fall = history[0].chosen - sum(step.chosen for step in last) / len(last)
    if fall <= COLLAPSE:
        return ()
    return (f"chosen responses fall: by {fall:.2f} nats per token",)


def _step(batches: Sequence[MicroBatch]) -> TrainingStep:
    pairs = sum(batch.pairs for batch in batches)
    return TrainingStep(
        loss=sum(batch.loss for batch in batches) / pairs,
        margin=sum(batch.margin for batch in batches) / pairs,
        accuracy=sum(batch.accurate for batch in batches) / pairs,
        chosen=sum(batch.chosen for batch in batches) / pairs,
    )
