"""lm-evaluation-harness results, item by item."""

from harness.evaluation.lm_eval import run_tasks
from harness.stages.job import Job
from harness.stages.shared import RESULT, policy_of
from harness.store.formats import write_json
from harness.world.facts import make_world
from harness.world.lm_eval_task import write_task


def run(job: Job) -> None:
    """Run the tasks on the policy in memory; the world's task files are kept beside the result."""
    write_task(make_world(job.params["world"]), job.out)
    result = run_tasks(policy_of(job), job.params["tasks"], job.out, job.params["batch_size"])
    write_json(
        job.out / RESULT, {"scores": result.scores, "items": result.items, "versions": result.versions}
    )
