"""What tasks will cost, by formula: tokens, FLOPs, judge calls and dollars, bytes on disk.

FLOPs as `metering.Meter.count`: 2N for each token forward, and backward 2N + 2 x trained parameters.
Everything that is not in the plan is an assumption, and stands in `Facts`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from harness.plan.task import Task
from harness.recipe.evaluation import OFFICIAL_PROMPTS

FILLED = 0.5
"""The share of `max_new_tokens` that a sampled response is taken to fill."""
TEMPLATE_TOKENS = 250
"""Tokens of a judge's instructions, besides what it judges."""
QUESTION_TURNS = 160
"""Answers to an MT-bench question file: 80 questions of two turns."""
SAMPLING = frozenset({"responses", "outputs", "trial", "mt_bench"})
"""Stages that write token by token, which uses a GPU less well than reading does."""
UNKNOWN = frozenset({"lm_eval"})
"""Stages whose work the plan does not say."""


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


@dataclass(frozen=True)
class Work:
    """What a task costs; `unpriced` counts calls of endpoints without a price."""

    forward: float = 0.0
    backward: float = 0.0
    flops: float = 0.0
    calls: float = 0.0
    usd: float = 0.0
    unpriced: float = 0.0
    bytes: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


@dataclass
class Estimate:
    """The cost of tasks by stage."""

    facts: Facts
    stages: dict[str, Work] = field(default_factory=dict)

    def add(self, tasks: Iterable[Task]) -> "Estimate":
        """Add tasks, and give the estimate back."""
        for task in tasks:
            self.stages[task.stage] = self.stages.get(task.stage, Work()) + work_of(task, self.facts)
        return self

    @property
    def total(self) -> Work:
        """Of all stages."""
        return sum(self.stages.values(), Work())


def gpu_seconds(estimate: Estimate, reading: float, writing: float) -> dict[str, float]:
    """Seconds by stage at so many FLOPs a second, of which writing token by token reaches fewer."""
    return {
        name: work.flops / (writing if name in SAMPLING else reading)
        for name, work in estimate.stages.items()
    }


def work_of(task: Task, facts: Facts) -> Work:
    """The cost of one task; nothing where its stage runs no model."""
    params = task.params
    match task.stage:
        case "embeddings":
            return _read(_prompts(task) * facts.prompt, facts)
        case "responses":
            return _responses(task, facts)
        case "scores":
            rows = _rows(task.inputs["responses"])
            return _judged(task, rows, facts, _length(task.inputs["responses"], facts))
        case "logprobs" | "hidden_states":
            prompt = facts.prompt if params.get("conditional", True) else 0
            responses = task.inputs["responses"]
            return _read(_rows(responses) * (prompt + _length(responses, facts)), facts)
        case "gradients":
            return _gradients(task, facts)
        case "adapter" | "warmup":
            return _training(task, facts)
        case "sft":
            tokens = params["steps"] * params["rows_per_step"] * (facts.prompt + facts.answer)
            return _learned(tokens, _trained(params, facts), facts)
        case "outputs":
            return _outputs(task, facts)
        case "trial":
            count = _prompts(task) * params["per_prompt"]
            length = FILLED * params["max_new_tokens"]
            written = _read(count * (facts.prompt + length), facts)
            return written + _judged(task, count, facts, 2 * length, pair=True)
        case "alpaca_eval":
            outputs = task.inputs["outputs"]
            return _judged(task, _samples(outputs), facts, 2 * _length(outputs, facts), pair=True)
        case "head_to_head":
            sides = task.inputs["reference"], task.inputs["outputs"]
            length = sum(_length(side, facts) for side in sides)
            return _judged(task, _samples(sides[1]), facts, length, pair=True)
        case "preference":
            reference = task.inputs["reference"]
            length = _length(reference, facts)
            pairs = 2 * 2 * _prompts(task.inputs["held_out"])  # two sides, by policy and by reference
            judged = _judged(task, _samples(reference), facts, length)
            return _read(pairs * (facts.prompt + length), facts) + judged
        case "mt_bench":
            length = FILLED * params["max_new_tokens"]
            written = _read(QUESTION_TURNS * (facts.prompt + length), facts)
            return written + _judged(task, QUESTION_TURNS, facts, length)
        case _:
            return Work()


def _read(tokens: float, facts: Facts, model: str = "") -> Work:
    return Work(forward=tokens, flops=2 * facts.parameters.get(model, 0.0) * tokens)


def _learned(tokens: float, trained: float, facts: Facts) -> Work:
    """Forward and backward through the policy; what is trained is written, in fp32."""
    whole = facts.parameters.get("", 0.0)
    flops = 2 * whole * tokens + 2 * (whole + trained) * tokens
    return Work(forward=tokens, backward=tokens, flops=flops, bytes=4 * trained)


def _responses(task: Task, facts: Facts) -> Work:
    """Those of the dataset are there already; those of an endpoint are paid for."""
    if task.params["kind"] == "dataset":
        return Work()
    length, rows = _length(task, facts), _rows(task)
    if endpoint := task.params.get("endpoint"):
        prices = _prices(endpoint, task.knobs["endpoint"], facts)
        return _paid(rows, facts.prompt, task.params["max_new_tokens"], prices)
    return _read(rows * (facts.prompt + length), facts)


def _outputs(task: Task, facts: Facts) -> Work:
    if "temperature" not in task.params:  # given, not sampled
        return Work()
    return _read(_samples(task) * (facts.prompt + _length(task, facts)), facts)


def _gradients(task: Task, facts: Facts) -> Work:
    """Every response forward and backward; `exact` keeps a row for each ordered pair, in fp16."""
    params, responses = task.params, task.inputs["responses"]
    rows, length = _rows(responses), _length(responses, facts)
    back = length if params["tokens"] == "response" else facts.prompt + length
    whole, captured = facts.parameters.get("", 0.0), facts.per_rank * params["rank"]
    per_response = responses_per_prompt(responses) - 1 if params["preconditioning"] == "exact" else 1
    forward = rows * (facts.prompt + length)
    return Work(
        forward=forward,
        backward=rows * back,
        flops=2 * whole * forward + 2 * (whole + captured) * rows * back,
        bytes=2 * params["dim"] * rows * per_response,
    )


def _training(task: Task, facts: Facts) -> Work:
    """Each pair's two responses with their prompt; with whole prompts, each response and prompt once."""
    training, pairs = task.params["training"], task.inputs["pairs"]
    responses = pairs.inputs["responses"]
    length, depth = _length(responses, facts), _depth(pairs)
    if training["batching"] == "pairs":
        tokens = training["pairs_per_step"] * 2 * (facts.prompt + length)
    else:
        prompts = training["prompts_per_step"] or training["pairs_per_step"] / depth
        distinct = min(responses_per_prompt(responses), 2 * depth)
        tokens = prompts * (facts.prompt + distinct * length)
    return _learned(training["steps"] * tokens, _trained(training, facts), facts)


def _trained(training: Mapping[str, Any], facts: Facts) -> float:
    """How many parameters are trained."""
    if training["weights"] == "full":
        return facts.parameters.get("", 0.0)
    return facts.per_rank * float(training["lora_rank"])


def _depth(pairs: Task) -> float:
    """Mean pairs of a prompt."""
    if pairs.params["budget"] is not None:
        return float(pairs.params["budget"]) / _prompts(pairs)
    return float(pairs.params["depth"]["pairs"] or 1)


def _judged(task: Task, items: float, facts: Facts, length: float, pair: bool = False) -> Work:
    """The judge's work on so many items of `length` tokens besides the prompt."""
    judge = task.params["judge"]
    match judge["kind"]:
        case "reward-model":
            both = 2 if pair else 1
            tokens = items * min(both * facts.prompt + length, both * judge["max_length"])
            return _read(tokens, facts, judge["name"]) + Work(calls=items)
        case "local":
            orders = 2 if pair and judge["both_orders"] else 1
            tokens = items * orders * (TEMPLATE_TOKENS + facts.prompt + length + judge["max_new_tokens"])
            return _read(tokens, facts, judge["name"]) + Work(calls=items * orders)
        case "endpoint":
            orders = 2 if pair and judge["both_orders"] else 1
            answer = judge["max_tokens"] if judge["template"] == "pairwise" or not pair else 1
            prices = _prices(judge, task.knobs["judge"], facts)
            return _paid(items * orders, TEMPLATE_TOKENS + facts.prompt + length, answer, prices)
        case _:
            return Work(calls=items)


def _prices(
    endpoint: Mapping[str, Any], knobs: Mapping[str, Any], facts: Facts
) -> tuple[float, float] | None:
    """Dollars per million tokens in and out: those of the recipe, else those of the table."""
    stated = knobs["usd_per_million_in"], knobs["usd_per_million_out"]
    if None not in stated:
        return stated
    return facts.price(knobs["base_url"], endpoint["model"])


def _paid(calls: float, asked: float, answered: float, prices: tuple[float, float] | None) -> Work:
    if prices is None:
        return Work(calls=calls, unpriced=calls)
    return Work(calls=calls, usd=calls * (asked * prices[0] + answered * prices[1]) / 1e6)


def _prompts(task: Task) -> int:
    """How many prompts a task has, or the task that gives it its prompts."""
    match task.stage:
        case "breadth" | "validation":
            return int(task.params["count"])
        case "prompts":
            return int(task.params.get("count") or task.params["source"]["count"])
        case "held_out":
            return int(task.params["source"].get("count") or OFFICIAL_PROMPTS)
        case _:
            return _prompts(task.inputs["prompts"])


def responses_per_prompt(responses: Task) -> int:
    """K, also of responses that a breadth kept."""
    if responses.stage == "kept":
        return responses_per_prompt(responses.inputs["responses"])
    return int(responses.params["per_prompt"])


def _rows(responses: Task) -> int:
    return _prompts(responses) * responses_per_prompt(responses)


def _samples(outputs: Task) -> int:
    return _prompts(outputs.inputs["held_out"]) * int(outputs.params["samples"])


def _length(responses: Task, facts: Facts) -> float:
    """Tokens of a response."""
    if responses.stage == "kept":
        return _length(responses.inputs["responses"], facts)
    params = responses.params
    if "max_new_tokens" not in params:  # the dataset's, the baseline's or the null model's
        return facts.answer
    sampled = FILLED * float(params["max_new_tokens"])
    return (sampled + facts.answer) / 2 if params.get("kind") == "both" else sampled
