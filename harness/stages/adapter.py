"""The trained LoRA adapter and its log."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.rows import PreferencePair, Response
from harness.errors import Diverged
from harness.models.chat import encode
from harness.models.load import load_tokenizer
from harness.stages.bank import GRADIENTS
from harness.stages.job import Job
from harness.stages.losses import loss_of
from harness.stages.processes import run_processes
from harness.stages.shared import DIVERGED
from harness.store.formats import (
    LENGTHS,
    LOGPROBS,
    PAIRS,
    RESPONSES,
    RESULT,
    TOKEN_LOGPROBS,
    read_matrix,
    read_rows,
    stream_rows,
    write_json,
)
from harness.store.keys import digest
from harness.store.manifest import describe_files
from harness.training.checkpoints import Checkpoints
from harness.training.preference import train
from harness.training.reference import Known
from harness.training.runtime import Runtime
from harness.training.settings import TrainingSettings


def run(job: Job) -> None:
    """Train on the pairs, in processes of its own where several share it; the log says how it went.

    A training that diverges has that for its result: the same again would diverge again, and a trial of a
    tuned method may.
    """
    try:
        if job.launch.processes > 1:
            run_processes(job)
        else:
            train_adapter(job, keep_moments=False)
    except Diverged as error:
        write_json(job.out / RESULT, {DIVERGED: str(error)})
        job.meter.count(**error.work)


def train_adapter(job: Job, keep_moments: bool) -> None:
    """Train an adapter on the task's pairs, with Adam's moments beside it where they are wanted."""
    pairs, settings = read_rows(job.inputs["pairs"] / PAIRS, PreferencePair), settings_of(job.params)
    report = train(
        job.inputs["base_model"],
        pairs,
        settings,
        job.out,
        Runtime(
            job.progress,
            None if job.launch.distributed == "DEEPSPEED" else checkpoints_of(job),  # its own are pickles
            job.tracking,
            job.launch.processes,
            job.launch.distributed,
        ),
        known=_stored_reference(job, pairs, settings),
        keep_moments=keep_moments,
    )
    source = _store_of(job.inputs["reference"]) if report.reference == "known" else report.reference
    write_json(job.out / RESULT, asdict(report) | {"reference": source})
    job.meter.count(
        forward=report.tokens_forward,
        backward=report.tokens_backward,
        padding=report.tokens_padding,
        parameters=report.parameters,
        trainable=report.trainable,
    )


def checkpoints_of(job: Job) -> Checkpoints:
    """Those of a task's training, in a folder of `scratch`, so that they go when the adapter is done."""

    @cache  # it reads every input, the base model included
    def fingerprint() -> str:
        about = {
            "params": job.params,
            "inputs": {name: describe_files(folder) for name, folder in job.inputs.items()},
            "processes": job.launch.processes,
            "distributed": job.launch.distributed,
            "packages": {name: version(name) for name in ("torch", "transformers", "trl", "peft")},
        }
        return digest(about)

    return Checkpoints(job.scratch() / "checkpoints", fingerprint, job.meter)


def settings_of(params: Mapping[str, Any]) -> TrainingSettings:
    """How a task's parameters say to train."""
    training = params["training"]
    renamed = {
        "loss": loss_of(params["loss"]),
        "micro_batch": training["micro_batch"] or training["pairs_per_step"],
        "rank": training["lora_rank"],
        "targets": tuple(training["targets"]) if training["targets"] else None,
        "seed": params["seed"],
    }
    return TrainingSettings(**{key: training[key] for key in training if key != "lora_rank"} | renamed)


def _store_of(reference: Path) -> str:
    """What kind of artifact holds the reference: a gradient "bank", or log-probabilities alone ("stored")."""
    return "bank" if (reference / GRADIENTS).exists() else "stored"


def _stored_reference(job: Job, pairs: Sequence[PreferencePair], settings: TrainingSettings) -> Known:
    """Log-probabilities under the base model that an earlier stage has made for the rows of these pairs.

    That stage encodes, loads and computes as training does, so equal tokens have the reference's value.
    """
    if "reference" not in job.inputs:
        return {}
    tokenizer = load_tokenizer(job.inputs["base_model"])
    logprobs = _logprobs(job.inputs["reference"], settings.loss.needs)
    turns = {pair.prompt_id: pair.turns for pair in pairs}
    used = {(pair.prompt_id, index) for pair in pairs for index in (pair.chosen_index, pair.rejected_index)}
    return {
        encode(tokenizer, turns[row.prompt_id], row.text, row.finished): logprobs[at]
        for at, row in enumerate(stream_rows(job.inputs["responses"] / RESPONSES, Response))
        if (row.prompt_id, row.index) in used
    }


def _logprobs(folder: Path, needs: frozenset[str]) -> Sequence[float | NDArray[np.float32]]:
    """Of each response, or of each token of each response where a loss looks at single ones."""
    if "common" not in needs:
        return [float(value) for value in read_matrix(folder / LOGPROBS)]
    ends = np.cumsum(read_matrix(folder / LENGTHS))
    return np.split(np.array(read_matrix(folder / TOKEN_LOGPROBS)), ends[:-1])
