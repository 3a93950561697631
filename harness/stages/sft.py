"""The model after supervised fine-tuning on given data: the untrained start of all methods."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.data.rows import Score
from harness.models.chat import Example
from harness.models.describe import describe_model
from harness.stages.adapter import checkpoints_of
from harness.stages.job import Job
from harness.stages.shared import read_prompts, read_responses
from harness.store.formats import RESULT, SCORES, read_rows, write_json
from harness.training.runtime import Runtime
from harness.training.settings import SupervisedSettings
from harness.training.supervised import train_supervised


def run(job: Job) -> None:
    """Fine-tune on the best response to each prompt, the first where none is scored."""
    runtime = Runtime(job.progress, checkpoints_of(job), job.tracking)
    report = train_supervised(
        job.inputs["base_model"], _examples(job), _settings(job.params), job.out, runtime
    )
    write_json(job.out / RESULT, asdict(describe_model(job.out)) | asdict(report))
    job.meter.count(
        forward=report.tokens,
        backward=report.tokens,
        padding=report.padding,
        parameters=report.parameters,
        trainable=report.trainable,
    )


def _settings(params: Mapping[str, Any]) -> SupervisedSettings:
    renamed = {"batch_size": params["rows_per_step"], "rank": params["lora_rank"]}
    same = {key: value for key, value in params.items() if key not in ("rows_per_step", "lora_rank")}
    return SupervisedSettings(**same, **renamed)


def _examples(job: Job) -> list[Example]:
    data = job.inputs["dataset"]
    score = {(row.prompt_id, row.index): row.score for row in read_rows(data / SCORES, Score)}
    best: dict[str, tuple[float, str]] = {}
    for row in read_responses(data):
        value = score.get((row.prompt_id, row.index), float("-inf"))
        if row.prompt_id not in best or value > best[row.prompt_id][0]:
            best[row.prompt_id] = (value, row.text)
    return [
        Example(prompt.id, prompt.turns, best[prompt.id][1])
        for prompt in read_prompts(data)
        if prompt.id in best
    ]
