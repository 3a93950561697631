"""The evaluation prompts: the same for all methods and replicates, none of them in any pool."""

from harness.data.rows import Prompt
from harness.errors import BadInput
from harness.stages.drawn import held_out_of
from harness.stages.job import Job
from harness.stages.shared import read_prompts
from harness.store.formats import PROMPTS, RESPONSES, write_rows
from harness.world.facts import make_world
from harness.world.prompts import held_out_prompts


def run(job: Job) -> None:
    """Draw the prompts; with AlpacaEval's official ones come the outputs of its baseline."""
    match job.params["source"]["kind"]:
        case "atlas":
            world = make_world(job.params["world"])
            prompts = held_out_prompts(world, job.params["source"]["count"], seed=0)
        case "held-out":
            prompts = held_out_of(job)
        case "dataset":
            prompts = _first(job)
        case _:
            from harness.evaluation.official import read_official

            prompts, baseline = read_official(job.params["source"], job.knobs.get("path"))
            write_rows(job.out / RESPONSES, baseline)
    write_rows(job.out / PROMPTS, prompts)


def _first(job: Job) -> list[Prompt]:
    prompts, count = read_prompts(job.inputs["dataset"]), job.params["source"]["count"]
    if count is not None and len(prompts) < count:
        raise BadInput(
            f"evaluation.alpaca_eval.prompts.count: the data have {len(prompts)} prompts. Got {count}. "
            "Lower it, or leave it out to take all."
        )
    return prompts[:count]
