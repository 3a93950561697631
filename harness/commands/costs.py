"""What `harness plan` says of costs: by formula, and on which assumptions."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.commands.sizes import judge_sizes, policy_size
from harness.endpoints.prices import listed_price, table_date
from harness.errors import BadInput
from harness.models.weights import Size
from harness.plan.amounts import FILLED, Facts
from harness.plan.catalog import STAGES
from harness.plan.costs import UNKNOWN, Estimate, Work, gpu_seconds
from harness.plan.disk import CHARACTERS
from harness.plan.draw import DataFile
from harness.plan.shards import is_asked
from harness.plan.task import Task
from harness.recipe.model import HfModel
from harness.recipe.resources import ShardedNeeds
from harness.recipe.schema import Recipe
from harness.store.formats import RESULT, read_json
from harness.store.local import LocalStore

PEAKS = {"h100": 989e12, "a100": 312e12, "l40s": 362e12, "rtx4090": 165e12}
"""FLOPs a second in bf16 without sparsity, by the vendor's data sheets (H100, A100: SXM)."""
READING, WRITING = 0.35, 0.10
"""Shares of the peak that are taken to be reached: reading and training, and writing token by token."""
PROMPT_TOKENS, ANSWER_TOKENS = 150.0, 250.0
"""Where the data are not stored yet: an assumption, which the output states."""


@dataclass(frozen=True)
class Machine:
    """FLOPs a second when reading and training, and when writing; how that is told; and dollars an hour."""

    reading: float
    writing: float
    told: str
    usd: float = 0.0


def machine_of(throughput: str) -> Machine:
    """A GPU by its name, or a number of FLOPs a second.

    Raises:
        BadInput: it is neither.
    """
    if peak := PEAKS.get(throughput.lower()):
        told = f"one {throughput.upper()} at {READING:.0%} of its bf16 peak, {WRITING:.0%} where it writes"
        return Machine(READING * peak, WRITING * peak, told)
    with suppress(ValueError):
        if 0 < (flops := float(throughput)) < float("inf"):
            return Machine(flops, flops, f"{flops:.3g} FLOPs a second")
    raise BadInput(
        f"--throughput: must be one of {', '.join(PEAKS)}, or FLOPs a second such as 2e14. "
        f"Got {throughput!r}."
    )


@dataclass(frozen=True)
class Planned:
    """A recipe's tasks, those that its store lacks, and the local files that it names."""

    recipe: Recipe
    store: LocalStore
    tasks: Sequence[Task]
    missing: Sequence[Task]
    files: Mapping[str, DataFile]


@dataclass(frozen=True)
class Stated:
    """What a user says: the base model's parameters, the GPU or its FLOPs a second, its dollars an hour."""

    parameters: float | None = None
    throughput: str = "h100"
    gpu_usd: float = 0.0


@dataclass(frozen=True)
class StageCost:
    """What the tasks of one stage cost; `judge_unpriced` calls are not in `judge_usd`."""

    tokens_forward: float
    tokens_backward: float
    flops: float
    gpu_seconds: float
    gpu_usd: float
    judge_calls: float
    judge_usd: float
    judge_unpriced: float
    bytes_written: float


@dataclass(frozen=True)
class ShardCost:
    """In how many shards the recipe cuts a stage's tasks, and what each of them takes."""

    shards: int
    gpu_seconds: float
    bytes_written: float


@dataclass(frozen=True)
class Costs:
    """What the missing tasks cost, by stage and together; `assumed` says on which assumptions."""

    stages: dict[str, StageCost]
    total: StageCost
    shards: dict[str, ShardCost]
    assumed: list[str]


def costs_of(planned: Planned, stated: Stated) -> Costs | None:
    """What the missing tasks cost.

    None for a model that the recipe makes, unless its parameters are stated or an endpoint is paid.

    Raises:
        BadInput: the throughput is neither a GPU nor a number, or another number is none.
    """
    for option, value in (("--parameters", stated.parameters), ("--gpu-usd", stated.gpu_usd)):
        if value is not None and not 0 <= value < math.inf:
            raise BadInput(f"{option}: must be a number of at least 0. Got {value}.")
    machine = replace(machine_of(stated.throughput), usd=stated.gpu_usd)
    size, size_from = _policy_size(planned, stated.parameters)
    prompt, answer, lengths_from = _lengths(planned)
    judges = judge_sizes(planned.recipe, planned.files)
    sizes = judges | {"": size.parameters}
    estimate = Estimate(Facts(prompt, answer, sizes, size.per_rank, _price)).add(planned.missing)
    total = estimate.total
    known = stated.parameters is not None or isinstance(planned.recipe.model, HfModel)
    if total == Work() or not (known or total.usd or total.unpriced):
        return None
    seconds = gpu_seconds(estimate, machine.reading, machine.writing)
    rate = f", at ${machine.usd:,.2f} an hour" if machine.usd else ""
    assumed = (
        f"Assumed: {_told(size)} parameters ({size_from}); prompts of {prompt:.0f} and given responses of "
        f"{answer:.0f} tokens ({lengths_from}); sampled ones fill {FILLED:.0%} of max_new_tokens; "
        f"{machine.told}{rate}. FLOPs are 2N a token forward, 2N + 2 x trained backward. "
        f"A token is {CHARACTERS:.0f} bytes of text."
    )
    return Costs(
        {name: _stage_cost(work, seconds[name], machine) for name, work in _in_order(estimate)},
        _stage_cost(total, sum(seconds.values()), machine),
        dict(_shards(planned, estimate, seconds)),
        [assumed, *_warnings(estimate, size, judges, machine)],
    )


def _in_order(estimate: Estimate) -> Iterator[tuple[str, Work]]:
    """The stages that cost anything."""
    for name in STAGES:
        if (work := estimate.stages.get(name, Work())) != Work():
            yield name, work


def _stage_cost(work: Work, seconds: float, machine: Machine) -> StageCost:
    return StageCost(
        tokens_forward=work.forward,
        tokens_backward=work.backward,
        flops=work.flops,
        gpu_seconds=seconds,
        gpu_usd=seconds / 3600 * machine.usd,
        judge_calls=work.calls,
        judge_usd=work.usd,
        judge_unpriced=work.unpriced,
        bytes_written=work.bytes,
    )


def _shards(
    planned: Planned, estimate: Estimate, seconds: Mapping[str, float]
) -> Iterator[tuple[str, ShardCost]]:
    """The stages that the recipe cuts into shards."""
    tasks = Counter(task.stage for task in planned.missing if not is_asked(task))
    for name, needs in planned.recipe.resources.stages.items():
        if isinstance(needs, ShardedNeeds) and needs.shards > 1 and tasks[name]:
            parts = tasks[name] * needs.shards
            yield name, ShardCost(needs.shards, seconds[name] / parts, estimate.stages[name].bytes / parts)


def print_costs(costs: Costs, console: Console) -> None:
    """Print a table of the costs by stage, and what they rest on."""
    table = Table(title="costs of what is to run, by formula", title_justify="left")
    table.add_column("stage")
    for column in ("M tokens", "PFLOPs", "GPU h", "judge calls", "$", "GB written"):
        table.add_column(column, justify="right")
    for name, cost in costs.stages.items():
        table.add_row(name, *_cells(cost))
    table.add_section()
    table.add_row("all", *_cells(costs.total))
    console.print(table)
    for line in (*_told_shards(costs.shards), *costs.assumed):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _cells(cost: StageCost) -> Iterator[str]:
    yield f"{(cost.tokens_forward + cost.tokens_backward) / 1e6:,.1f}"
    yield f"{cost.flops / 1e15:,.0f}"
    yield f"{cost.gpu_seconds / 3600:,.1f}"
    yield f"{cost.judge_calls:,.0f}"
    yield "?" if cost.judge_unpriced else f"{cost.judge_usd + cost.gpu_usd:,.2f}"
    yield f"{cost.bytes_written / 1e9:,.1f}"


def _told_shards(shards: Mapping[str, ShardCost]) -> Iterator[str]:
    for name, each in shards.items():
        hours, size = each.gpu_seconds / 3600, each.bytes_written / 1e9
        yield f"{name}: in {each.shards} shards, each of {hours:,.1f} GPU hours and {size:,.2f} GB."


def _warnings(estimate: Estimate, size: Size, judges: Mapping[str, float], machine: Machine) -> Iterator[str]:
    """What the figures leave out."""
    if not size.parameters:
        yield "The base model's size is not known, so its FLOPs are not in: state --parameters, such as 8e9."
    elif not size.per_rank:
        yield "The shapes of its layers are not known before it is fetched: adapters count as nothing."
    for name, parameters in judges.items():
        if not parameters:
            yield f"The size of judge {name} is not known, so its FLOPs are not in."
    if not machine.usd:
        yield "GPUs are not in the dollars: state --gpu-usd, dollars an hour."
    if estimate.total.usd:
        yield f"Judges' dollars are at most, with answers of full length; prices are of {table_date()}."
    if estimate.total.unpriced:
        yield (
            f"{estimate.total.unpriced:,.0f} calls have no price: state usd_per_million_in and "
            "usd_per_million_out."
        )
    if left_out := sorted(UNKNOWN & estimate.stages.keys()):
        yield f"Not in the figures: {', '.join(left_out)}, whose questions the plan does not know."


def _told(size: Size) -> str:
    return f"{size.parameters / 1e9:.3g} billion" if size.parameters else "unknown"


def _price(base_url: str, model: str) -> tuple[float, float] | None:
    price = listed_price(base_url, model)
    return None if price is None else (price.input, price.output)


def _policy_size(planned: Planned, stated: float | None) -> tuple[Size, str]:
    """The base model's size, and where it is from."""
    known = policy_size(planned.recipe, planned.files)
    if stated is not None:
        return Size(stated, known.per_rank), "as stated"
    if (result := _stored(planned, "base_model")) is not None:
        return Size(result["parameters"], known.per_rank), "by the stored model"
    return known, "by its weights on this machine" if known.per_rank else "by its name"


def _lengths(planned: Planned) -> tuple[float, float, str]:
    """Tokens of a prompt and of a given response, and where that is from."""
    report = _stored(planned, "dataset")
    if report is None:
        return PROMPT_TOKENS, ANSWER_TOKENS, "assumed until the data are stored"
    answers = report["response_characters"] or {"median": ANSWER_TOKENS * CHARACTERS}
    medians = report["prompt_characters"]["median"], answers["median"]
    prompt, answer = (number / CHARACTERS for number in medians)
    return prompt, answer, f"medians of the stored data, {CHARACTERS:.0f} characters a token"


def _stored(planned: Planned, stage: str) -> Any:
    """The result of the first stored task of a stage; None where there is none."""
    for task in planned.tasks:
        if task.stage == stage and planned.store.has(task.stage, task.key):
            return read_json(planned.store.folder(task.stage, task.key) / RESULT)
    return None
