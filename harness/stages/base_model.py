"""The untrained start: the embedded world's model, trained on first use."""

from harness.models.chat import template_hash
from harness.models.load import load_policy
from harness.stages.job import Job
from harness.stages.shared import size_of
from harness.store.formats import RESULT, write_json
from harness.world.base_model import SftSettings, train_base_model
from harness.world.facts import make_world


def run(job: Job) -> None:
    """Train the base model and save it with its tokenizer."""
    settings = SftSettings(steps=job.params["sft_steps"], seed=job.params["seed"])
    report = train_base_model(make_world(job.params["seed"]), job.out, settings, job.progress)
    policy = load_policy(job.out)
    parameters = size_of(policy)
    job.meter.count(
        forward=report.tokens, backward=report.tokens, parameters=parameters, trainable=parameters
    )
    facts = {"parameters": parameters, "template": template_hash(policy.tokenizer)}
    write_json(job.out / RESULT, facts | {"loss_first": report.loss_first, "loss_last": report.loss_last})
