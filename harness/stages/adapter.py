"""The trained LoRA adapter and its log."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.rows import PreferencePair
from harness.data.tokens import Encoded
from harness.models.chat import encode
from harness.models.load import load_tokenizer
from harness.stages.bank import GRADIENTS
from harness.stages.job import Job
from harness.stages.losses import loss_of
from harness.stages.shared import read_responses
from harness.store.formats import (
    LENGTHS,
    LOGPROBS,
    PAIRS,
    RESULT,
    TOKEN_LOGPROBS,
    read_matrix,
    read_rows,
    write_json,
)
from harness.training.preference import TrainingSettings, train


def run(job: Job) -> None:
    """Train on the pairs; the log keeps what the board says of the training."""
    train_adapter(job, keep_moments=False)


def train_adapter(job: Job, keep_moments: bool) -> None:
    """Train an adapter on the task's pairs, with Adam's moments beside it where they are wanted."""
    pairs, settings = read_rows(job.inputs["pairs"] / PAIRS, PreferencePair), _settings(job.params)
    stored = _stored_reference(job, pairs, settings.loss.needs)
    report = train(
        job.inputs["base_model"],
        pairs,
        settings,
        job.out,
        job.progress,
        known=stored.sums,
        known_tokens=stored.tokens,
        keep_moments=keep_moments,
    )
    source = reference_source(job.inputs, settings.loss.needs, report.reference_rows)
    write_json(job.out / RESULT, asdict(report) | {"reference": source})
    job.meter.count(
        forward=report.tokens_forward,
        backward=report.tokens_backward,
        parameters=report.parameters,
        trainable=report.trainable,
    )


def _settings(params: Mapping[str, Any]) -> TrainingSettings:
    training = params["training"]
    return TrainingSettings(
        loss=loss_of(params["loss"]),
        steps=training["steps"],
        pairs_per_step=training["pairs_per_step"],
        micro_batch=training["micro_batch"] or training["pairs_per_step"],
        learning_rate=training["learning_rate"],
        rank=training["lora_rank"],
        max_length=training["max_length"],
        schedule=training["schedule"],
        warmup_steps=training["warmup_steps"],
        seed=params["seed"],
    )


def reference_source(inputs: Mapping[str, Path], needs: frozenset[str], computed: int) -> str:
    """Where training had the reference's log-probabilities from, `computed` being the rows it made them for.

    "none" is needed, they were in the gradient "bank" or "stored" by a pass of their own, or not all of them
    were there and the rest was "computed".
    """
    if not needs & {"reference", "common"}:
        return "none"
    if computed:
        return "computed"
    return "bank" if (inputs["reference"] / GRADIENTS).exists() else "stored"


@dataclass(frozen=True)
class _Stored:
    """Log-probabilities of rows under the base model: sums, and where a loss needs them, of each token."""

    sums: dict[Encoded, float]
    tokens: dict[Encoded, NDArray[np.float32]]


def _stored_reference(job: Job, pairs: Sequence[PreferencePair], needs: frozenset[str]) -> _Stored:
    """What an earlier stage has made for the rows of these pairs.

    That stage encodes and loads the model as training does, so equal tokens have the reference's value.
    """
    if "reference" not in job.inputs:
        return _Stored({}, {})
    tokenizer, folder = load_tokenizer(job.inputs["base_model"]), job.inputs["reference"]
    logprobs = read_matrix(folder / LOGPROBS)
    text = {pair.prompt_id: pair.prompt for pair in pairs}
    used = {(pair.prompt_id, index) for pair in pairs for index in (pair.chosen_index, pair.rejected_index)}
    rows = {
        at: encode(tokenizer, text[row.prompt_id], row.text, row.finished)
        for at, row in enumerate(read_responses(job.inputs["responses"]))
        if (row.prompt_id, row.index) in used
    }
    sums = {row: float(logprobs[at]) for at, row in rows.items()}
    if "common" not in needs:
        return _Stored(sums, {})
    ends = np.cumsum(read_matrix(folder / LENGTHS))
    tokens = np.split(read_matrix(folder / TOKEN_LOGPROBS), ends[:-1])
    return _Stored(sums, {row: tokens[at] for at, row in rows.items()})
