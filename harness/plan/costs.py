"""What tasks will cost, by formula: tokens, FLOPs, judge calls and dollars, bytes on disk.

FLOPs as `metering.Meter.count`: 2N for each token forward, and backward 2N + 2 x trained parameters.
What a plan does not say is assumed (`amounts.Facts`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from harness.plan.amounts import (
    FILLED,
    Facts,
    depth_of,
    length_of,
    prompts_of,
    responses_per_prompt,
    rows_of,
    samples_of,
    trained_by,
)
from harness.plan.disk import written
from harness.plan.task import Task
from harness.recipe.losses import read_loss
from harness.recipe.reference import row_needs

TEMPLATE_TOKENS = 250
"""Tokens of a judge's instructions, besides what it judges."""
QUESTION_TURNS = 160
"""Answers to an MT-bench question file: 80 questions of two turns."""
SAMPLING = frozenset({"responses", "outputs", "trial", "mt_bench"})
"""Stages that write token by token, which uses a GPU less well than reading does."""
UNKNOWN = frozenset({"lm_eval"})
"""Stages whose work the plan does not say."""


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
    """The cost of one task; where its stage runs no model, what it writes."""
    return replace(_computed(task, facts), bytes=written(task, facts))


def _computed(task: Task, facts: Facts) -> Work:
    params = task.params
    match task.stage:
        case "embeddings":
            return _read(prompts_of(task) * facts.prompt, facts)
        case "responses":
            return _responses(task, facts)
        case "scores":
            rows = rows_of(task.inputs["responses"])
            return _judged(task, rows, facts, length_of(task.inputs["responses"], facts))
        case "logprobs" | "hidden_states":
            prompt = facts.prompt if params.get("conditional", True) else 0
            responses = task.inputs["responses"]
            return _read(rows_of(responses) * (prompt + length_of(responses, facts)), facts)
        case "gradients":
            return _gradients(task, facts)
        case "adapter" | "warmup":
            return _training(task, facts)
        case "sft":
            tokens = params["steps"] * params["rows_per_step"] * (facts.prompt + facts.answer)
            return _learned(tokens, trained_by(params, facts), facts)
        case "outputs":
            return _outputs(task, facts)
        case "trial":
            count = prompts_of(task) * params["per_prompt"]
            length = FILLED * params["max_new_tokens"]
            written = _read(count * (facts.prompt + length), facts)
            return written + _judged(task, count, facts, 2 * length, pair=True)
        case "alpaca_eval":
            outputs = task.inputs["outputs"]
            return _judged(task, samples_of(outputs), facts, 2 * length_of(outputs, facts), pair=True)
        case "head_to_head":
            sides = task.inputs["reference"], task.inputs["outputs"]
            length = sum(length_of(side, facts) for side in sides)
            return _judged(task, samples_of(sides[1]), facts, length, pair=True)
        case "preference":
            reference = task.inputs["reference"]
            length = length_of(reference, facts)
            pairs = 2 * 2 * prompts_of(task.inputs["held_out"])  # two sides, by policy and by reference
            judged = _judged(task, samples_of(reference), facts, length)
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
    """Forward and backward through the policy."""
    whole = facts.parameters.get("", 0.0)
    flops = 2 * whole * tokens + 2 * (whole + trained) * tokens
    return Work(forward=tokens, backward=tokens, flops=flops)


def _responses(task: Task, facts: Facts) -> Work:
    """Those of the dataset are there already; those of an endpoint are paid for."""
    if task.params["kind"] == "dataset":
        return Work()
    length, rows = length_of(task, facts), rows_of(task)
    if endpoint := task.params.get("endpoint"):
        prices = _prices(endpoint, task.knobs["endpoint"], facts)
        return _paid(rows, facts.prompt, task.params["max_new_tokens"], prices)
    return _read(rows * (facts.prompt + length), facts)


def _outputs(task: Task, facts: Facts) -> Work:
    if "temperature" not in task.params:  # given, not sampled
        return Work()
    return _read(samples_of(task) * (facts.prompt + length_of(task, facts)), facts)


def _gradients(task: Task, facts: Facts) -> Work:
    """Every response forward and backward."""
    params, responses = task.params, task.inputs["responses"]
    rows, length = rows_of(responses), length_of(responses, facts)
    back = length if params["tokens"] == "response" else facts.prompt + length
    whole, captured = facts.parameters.get("", 0.0), facts.per_rank * params["rank"]
    forward = rows * (facts.prompt + length)
    return Work(
        forward=forward,
        backward=rows * back,
        flops=2 * whole * forward + 2 * (whole + captured) * rows * back,
    )


def _training(task: Task, facts: Facts) -> Work:
    """Each pair's two responses with their prompt; with whole prompts, each response and prompt once. Before
    that, the rows that are run for the reference.
    """
    training, pairs = task.params["training"], task.inputs["pairs"]
    length, depth = length_of(pairs.inputs["responses"], facts), depth_of(pairs)
    if training["batching"] == "pairs":
        tokens = training["pairs_per_step"] * 2 * (facts.prompt + length)
    else:
        prompts = training["prompts_per_step"] or training["pairs_per_step"] / depth
        tokens = prompts * (facts.prompt + _distinct(pairs) * length)
    before = _read(_reference_rows(task) * (facts.prompt + length), facts)
    return before + _learned(training["steps"] * tokens, trained_by(training, facts), facts)


def _distinct(pairs: Task) -> float:
    """How many of a prompt's responses its pairs are made of."""
    return min(responses_per_prompt(pairs.inputs["responses"]), 2 * depth_of(pairs))


def _reference_rows(task: Task) -> float:
    """Rows whose reference a training computes: what is not stored of each distinct row of its pairs, and
    where TRL takes the sums, both rows of each pair.
    """
    needs = read_loss(task.params["loss"]).needs
    pairs, of_rows = task.inputs["pairs"], row_needs(needs, task.params["training"]["batching"])
    missing = bool(of_rows) and "reference" not in task.inputs
    by_pair = "reference" in needs - of_rows
    return prompts_of(pairs) * (missing * _distinct(pairs) + by_pair * 2 * depth_of(pairs))


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
