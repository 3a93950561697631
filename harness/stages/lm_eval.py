"""lm-evaluation-harness results, item by item."""

from pathlib import Path
from tempfile import TemporaryDirectory

from harness.evaluation.lm_eval import LmEvalResult, LmEvalSettings, run_tasks
from harness.stages.job import Job
from harness.stages.shared import policy_of
from harness.store.formats import RESULT, write_json
from harness.world.facts import make_world
from harness.world.lm_eval_task import write_task

RECORD = "lm_eval"
"""Folder with lm-eval's own files, as its command would write them."""


def run(job: Job) -> None:
    """Run the tasks on the policy in memory."""
    if job.params["world"] is None:
        include = Path(job.knobs["path"]) if "path" in job.knobs else None
        result = _run(job, include, job.out / RECORD)
    else:
        with TemporaryDirectory() as folder:
            write_task(make_world(job.params["world"]), Path(folder))
            result = _run(job, Path(folder), None)
    found = {"scores": result.scores, "items": result.items, "versions": result.versions}
    write_json(job.out / RESULT, found)


def _run(job: Job, include: Path | None, record: Path | None) -> LmEvalResult:
    settings = LmEvalSettings(
        num_fewshot=job.params["num_fewshot"],
        limit=job.params["limit"],
        apply_chat_template=job.params["chat_template"],
        batch_size=job.params["batch_size"],
    )
    name = job.inputs.get("adapter", job.inputs["base_model"]).name
    return run_tasks(policy_of(job), job.params["tasks"], include, settings, record, name)
