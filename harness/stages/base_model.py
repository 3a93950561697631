"""The untrained start: the embedded world's model, a random one, or a pointer to any causal LM."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.models.chat import template_hash
from harness.models.describe import describe_model
from harness.models.load import load_policy
from harness.models.random_model import Shape, make_random_model
from harness.models.source import Source, write_source
from harness.stages.job import Job
from harness.stages.shared import size_of
from harness.store.formats import RESULT, write_json
from harness.world.base_model import SftSettings, train_base_model
from harness.world.facts import make_world


def run(job: Job) -> None:
    """Make the model, or point to it; the result says what it is."""
    match job.params["kind"]:
        case "atlas":
            facts = _train_atlas(job)
        case "random":
            shape = Shape(hidden=job.params["hidden"], layers=job.params["layers"], seed=job.params["seed"])
            make_random_model(job.out, shape, job.params["max_length"])
            facts = asdict(describe_model(job.out))
        case _:
            source = _source(job)
            write_source(job.out, source)
            facts = asdict(describe_model(job.out)) | {"name": source.name}
    write_json(job.out / RESULT, facts)


def _source(job: Job) -> Source:
    """A model of the hub by its name and revision, a local one by where it lies."""
    template = job.knobs.get("template")
    return Source(
        name=job.knobs.get("path", job.params["name"]),
        revision=job.params["revision"],
        dtype=job.params["dtype"],
        attention=job.params["attention"],
        trust_remote_code=job.params["trust_remote_code"],
        template=Path(template).read_text(encoding="utf-8") if template else None,
    )


def _train_atlas(job: Job) -> dict[str, Any]:
    settings = SftSettings(steps=job.params["sft_steps"], seed=job.params["seed"])
    report = train_base_model(make_world(job.params["seed"]), job.out, settings, job.progress)
    policy = load_policy(job.out)
    parameters = size_of(policy)
    job.meter.count(
        forward=report.tokens,
        backward=report.tokens,
        padding=report.padding,
        parameters=parameters,
        trainable=parameters,
    )
    facts = {"parameters": parameters, "template": template_hash(policy.tokenizer)}
    return facts | {"loss_first": report.loss_first, "loss_last": report.loss_last}
