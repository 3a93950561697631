"""lm-evaluation-harness results, item by item."""

from pathlib import Path
from tempfile import TemporaryDirectory

from harness.evaluation.lm_eval import LmEvalSettings, run_tasks
from harness.stages.job import Job
from harness.stages.shared import policy_of
from harness.store.formats import RESULT, write_json
from harness.world.facts import make_world
from harness.world.lm_eval_task import write_task


def run(job: Job) -> None:
    """Run the tasks on the policy in memory."""
    with TemporaryDirectory() as folder:
        write_task(make_world(job.params["world"]), Path(folder))
        settings = LmEvalSettings(batch_size=job.params["batch_size"])
        result = run_tasks(policy_of(job), job.params["tasks"], Path(folder), settings)
    write_json(
        job.out / RESULT, {"scores": result.scores, "items": result.items, "versions": result.versions}
    )
