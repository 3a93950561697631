"""What tasks will write, by formula, in bytes; the layouts are those of `harness.stages`."""

from harness.plan.amounts import (
    Facts,
    depth_of,
    length_of,
    prompts_of,
    responses_per_prompt,
    rows_of,
    samples_of,
    trained_by,
)
from harness.plan.task import Task

CHARACTERS = 4.0
"""Characters of English in a token, each of one byte."""
LINE = 100.0
"""Bytes of names, marks and numbers in a line of JSON, besides its texts."""


def written(task: Task, facts: Facts) -> float:
    """Bytes of a task's artifact; of what the plan does not say (verdicts, embeddings), nothing.

    A copy of the user's own data (`dataset`) is not counted, nor the shards of a task, which are kept beside
    the whole.
    """
    params = task.params
    match task.stage:
        case "prompts" | "breadth" | "validation" | "held_out":
            return prompts_of(task) * _line(facts.prompt)
        case "responses":
            return rows_of(task) * _line(length_of(task, facts))
        case "kept":
            return rows_of(task) * (_line(length_of(task, facts)) + LINE)
        case "scores":
            return rows_of(task.inputs["responses"]) * LINE
        case "logprobs":  # of each token, and their sum and number, in 32 bits
            responses = task.inputs["responses"]
            return rows_of(responses) * 4 * (length_of(responses, facts) + 2)
        case "gradients":
            return _bank(task)
        case "pairs":
            length = length_of(task.inputs["responses"], facts)
            pairs = params["budget"] or prompts_of(task) * depth_of(task)
            return float(pairs) * _line(facts.prompt + 2 * length)
        case "adapter" | "warmup":
            return 4 * trained_by(params["training"], facts)
        case "sft":
            return 4 * trained_by(params, facts)
        case "outputs":
            return samples_of(task) * _line(length_of(task, facts))
        case _:
            return 0.0


def _line(tokens: float) -> float:
    return LINE + CHARACTERS * tokens


def _bank(task: Task) -> float:
    """In fp16 a row for each response, or each ordered pair (`exact`); and three numbers of 32 bits."""
    responses = task.inputs["responses"]
    exact = task.params["preconditioning"] == "exact"
    rows = responses_per_prompt(responses) - 1 if exact else 1
    return rows_of(responses) * float(2 * task.params["dim"] * rows + 4 * 3)
