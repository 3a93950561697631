"""The trained LoRA adapter and its log."""

from dataclasses import asdict

from harness.data.rows import PreferencePair
from harness.stages.job import Job
from harness.stages.shared import PAIRS, RESULT
from harness.store.formats import read_rows, write_json
from harness.training.preference import TrainingSettings, train_dpo


def run(job: Job) -> None:
    """Train on the pairs; the log keeps what the board says of the training."""
    pairs = read_rows(job.inputs["pairs"] / PAIRS, PreferencePair)
    training = job.params["training"]
    settings = TrainingSettings(
        steps=training["steps"],
        pairs_per_step=training["pairs_per_step"],
        micro_batch=training["micro_batch"] or training["pairs_per_step"],
        learning_rate=training["learning_rate"],
        beta=training["beta"],
        rank=training["lora_rank"],
        max_length=training["max_length"],
        schedule=training["schedule"],
        warmup_steps=training["warmup_steps"],
        seed=job.params["seed"],
    )
    report = train_dpo(job.inputs["base_model"], pairs, settings, job.out, job.progress)
    write_json(job.out / RESULT, asdict(report))
    job.meter.count(
        forward=report.tokens_forward,
        backward=report.tokens_backward,
        parameters=report.parameters,
        trainable=report.trainable,
    )
