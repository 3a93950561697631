"""The judge's preference between each output and the reference, through alpaca_eval's own annotator."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness.data.rows import Response
from harness.evaluation.alpaca_eval_official import length_controlled
from harness.stages.job import Job
from harness.stages.shared import read_prompts, read_responses
from harness.stages.verdicts import Found, verdicts
from harness.store.formats import RESPONSES, RESULT, write_json


def run(job: Job) -> int:
    """Compare the policy's samples with the reference's, for every prompt; how many have no verdict."""
    prompts = read_prompts(job.inputs["held_out"])
    outputs, reference = read_responses(job.inputs["outputs"]), read_responses(job.inputs["reference"])
    found = verdicts(job, prompts, outputs, reference)
    result: dict[str, Any] = {
        "judge": found.judge,
        "summary": found.summary,
        "preferences": found.preferences,
    }
    result |= {"flips": found.flips} if found.flips else {}
    if _is_official(job, outputs, reference):
        result["official"] = _official(outputs, reference, found)
    write_json(job.out / RESULT, result)
    return found.missing


def _is_official(job: Job, outputs: Sequence[Response], reference: Sequence[Response]) -> bool:
    """Whether AlpacaEval's own prompts were answered once each, and compared with its own baseline."""
    baseline = job.inputs["held_out"] / RESPONSES
    if not baseline.is_file() or any(row.index for row in outputs):
        return False
    return [row.text for row in read_responses(job.inputs["held_out"])] == [row.text for row in reference]


def _official(outputs: Sequence[Response], reference: Sequence[Response], found: Found) -> dict[str, Any]:
    """The package's own length-controlled win rate, or why there is none."""
    controlled = length_controlled(
        [row.text for row in reference],
        [row.text for row in outputs],
        [value for values in found.preferences.values() for value in values],
    )
    return asdict(controlled)
