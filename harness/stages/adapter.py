"""The trained LoRA adapter and its log."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from harness.data.rows import PreferencePair
from harness.data.tokens import Encoded
from harness.models.chat import encode
from harness.models.load import load_tokenizer
from harness.stages.job import Job
from harness.stages.losses import loss_of
from harness.stages.shared import LOGPROBS, PAIRS, RESULT, read_responses
from harness.stages.torchrun import run_torchrun
from harness.store.formats import read_matrix, read_rows, write_json
from harness.store.keys import digest
from harness.store.manifest import describe_files
from harness.training.checkpoints import Checkpoints
from harness.training.preference import train
from harness.training.runtime import Runtime
from harness.training.settings import TrainingSettings


def run(job: Job) -> None:
    """Train on the pairs, in processes of its own where several share it; the log says how it went."""
    if job.processes > 1:
        run_torchrun(job)
    else:
        train_adapter(job, keep_moments=False)


def train_adapter(job: Job, keep_moments: bool) -> None:
    """Train an adapter on the task's pairs, with Adam's moments beside it where they are wanted."""
    pairs = read_rows(job.inputs["pairs"] / PAIRS, PreferencePair)
    report = train(
        job.inputs["base_model"],
        pairs,
        settings_of(job.params),
        job.out,
        Runtime(job.progress, _checkpoints(job), job.tracking, job.processes),
        known=_stored_reference(job, pairs),
        keep_moments=keep_moments,
    )
    write_json(job.out / RESULT, asdict(report))
    job.meter.count(
        forward=report.tokens_forward,
        backward=report.tokens_backward,
        parameters=report.parameters,
        trainable=report.trainable,
    )


def _checkpoints(job: Job) -> Checkpoints:
    """In a folder of `scratch`, so that they go when the adapter is done."""

    def fingerprint() -> str:
        about = {
            "params": job.params,
            "inputs": {name: describe_files(folder) for name, folder in job.inputs.items()},
            "processes": job.processes,
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


def _stored_reference(job: Job, pairs: Sequence[PreferencePair]) -> dict[Encoded, float]:
    """Log-probabilities under the base model that an earlier stage has made for the rows of these pairs.

    That stage encodes and loads the model as training does, so equal tokens have the reference's value.
    """
    if "reference" not in job.inputs:
        return {}
    tokenizer = load_tokenizer(job.inputs["base_model"])
    logprobs = read_matrix(job.inputs["reference"] / LOGPROBS)
    text = {pair.prompt_id: pair.prompt for pair in pairs}
    used = {(pair.prompt_id, index) for pair in pairs for index in (pair.chosen_index, pair.rejected_index)}
    return {
        encode(tokenizer, text[row.prompt_id], row.text, row.finished): float(logprobs[at])
        for at, row in enumerate(read_responses(job.inputs["responses"]))
        if (row.prompt_id, row.index) in used
    }
