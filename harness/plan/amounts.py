"""How much a task has to do with: prompts, responses, tokens and trained parameters, as its plan says them.

Everything that is not in the plan is an assumption, and stands in `Facts`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.plan.task import Task
from harness.recipe.evaluation import OFFICIAL_PROMPTS

FILLED = 0.5
"""The share of `max_new_tokens` that a sampled response is taken to fill."""


@dataclass(frozen=True)
class Facts:
    """What an estimate rests on.

    `prompt` and `answer` are tokens of a prompt and of a dataset's own response. `parameters` are those of
    the models by name, the policy's under "". `per_rank` is how many parameters a LoRA adapter on all linear
    layers has for each rank; 0 where that is not known, and then adapters count as nothing. `price` gives
    dollars per million tokens in and out of a model at a base URL.
    """

    prompt: float
    answer: float
    parameters: Mapping[str, float]
    per_rank: float = 0.0
    price: Callable[[str, str], tuple[float, float] | None] = lambda base_url, model: None


def prompts_of(task: Task) -> int:
    """How many prompts a task has, or the task that gives it its prompts."""
    match task.stage:
        case "breadth" | "validation":
            return int(task.params["count"])
        case "prompts":
            return int(task.params.get("count") or task.params["source"]["count"])
        case "held_out":
            return int(task.params["source"].get("count") or OFFICIAL_PROMPTS)
        case _:
            return prompts_of(task.inputs["prompts"])


def responses_per_prompt(responses: Task) -> int:
    """K, also of responses that a breadth kept."""
    if responses.stage == "kept":
        return responses_per_prompt(responses.inputs["responses"])
    return int(responses.params["per_prompt"])


def rows_of(responses: Task) -> int:
    """How many responses a task makes."""
    return prompts_of(responses) * responses_per_prompt(responses)


def samples_of(outputs: Task) -> int:
    """How many outputs a task makes."""
    return prompts_of(outputs.inputs["held_out"]) * int(outputs.params["samples"])


def length_of(responses: Task, facts: Facts) -> float:
    """Tokens of a response."""
    if responses.stage == "kept":
        return length_of(responses.inputs["responses"], facts)
    params = responses.params
    if "max_new_tokens" not in params:  # the dataset's, the baseline's or the null model's
        return facts.answer
    sampled = FILLED * float(params["max_new_tokens"])
    return (sampled + facts.answer) / 2 if params.get("kind") == "both" else sampled


def depth_of(pairs: Task) -> float:
    """Mean pairs of a prompt."""
    if pairs.params["budget"] is not None:
        return float(pairs.params["budget"]) / prompts_of(pairs)
    return float(pairs.params["depth"]["pairs"] or 1)


def trained_by(training: Mapping[str, Any], facts: Facts) -> float:
    """How many parameters are trained."""
    if training["weights"] == "full":
        return facts.parameters.get("", 0.0)
    return facts.per_rank * float(training["lora_rank"])
