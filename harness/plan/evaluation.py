"""The tasks that measure a method."""

from collections.abc import Mapping
from itertools import combinations
from typing import assert_never

from harness.plan.draw import Draw, plain
from harness.plan.pool import dataset_task, judge_of, policy_knobs, split_of
from harness.plan.task import Task
from harness.recipe import evaluation as tables
from harness.recipe.judges import EndpointJudge, Judge, LocalJudge
from harness.recipe.pool import DatasetPrompts

Policies = Mapping[str, Mapping[str, Task]]
"""Method -> `base_model` and, where it is trained, `adapter`: the tasks that make its policy."""


def evaluation_tasks(draw: Draw, name: str, policies: Policies) -> dict[str, Task]:
    """Everything that a method's record is measured by, by role."""
    method, policy = draw.recipe.methods[name], policies[name]
    held_out = held_out_task(draw)
    outputs = _outputs(draw, held_out, name, policies, "outputs")
    reference = _reference(draw, held_out, policies)
    judge, knobs = judge_of(draw, draw.recipe.evaluation.alpaca_eval.judge)
    judged = Task(
        "alpaca_eval",
        judge | {"seed": draw.seed("evaluation")},
        {"held_out": held_out, "reference": reference, "outputs": outputs},
        knobs,
    )
    ends = {"held_out": held_out, "reference": reference, "outputs": outputs, "alpaca_eval": judged}
    if method.answer:
        return ends
    if lm_eval := draw.recipe.lm_eval:
        asked = draw.content(lm_eval, "include") | {"world": draw.world}
        ends["lm_eval"] = Task("lm_eval", asked, policy, draw.where(lm_eval, "include"))
    if mt_bench := draw.recipe.evaluation.mt_bench:
        ends["mt_bench"] = _mt_bench(draw, mt_bench, policy)
    if draw.world is not None:
        asked = {"world": draw.world, "max_new_tokens": draw.recipe.evaluation.alpaca_eval.max_new_tokens}
        ends["knowledge"] = Task("knowledge", asked, policy)
    if "adapter" in policy and _has_held_out_pairs(draw):
        ends["preference"] = Task(
            "preference", judge, {**policy, "held_out": held_out, "reference": reference}, knobs
        )
    return ends


def contest_tasks(draw: Draw, outputs: Mapping[str, Task]) -> dict[str, dict[str, Task]]:
    """Method -> the comparisons of its outputs with each other method's, where the recipe asks for them.

    A pair's one task knows the two outputs and nothing else of the recipe, whatever their order there: a
    method that is added later changes none. A judge that sees two texts at once is asked both ways round; one
    that scores single responses has no order.
    """
    found: dict[str, dict[str, Task]] = {name: {} for name in outputs}
    if not draw.recipe.evaluation.head_to_head:
        return found
    judge, knobs = judge_of(draw, _both_ways(draw.recipe.evaluation.alpaca_eval.judge))
    params, held_out = judge | {"seed": draw.seed("evaluation")}, held_out_task(draw)
    for pair in combinations(outputs, 2):
        one, other = sorted(pair, key=lambda name: outputs[name].key)
        sides = {"held_out": held_out, "reference": outputs[one], "outputs": outputs[other]}
        found[one][other] = found[other][one] = Task("head_to_head", params, sides, knobs)
    return found


def _both_ways(judge: Judge) -> Judge:
    asked = isinstance(judge, LocalJudge | EndpointJudge)
    return judge.model_copy(update={"both_orders": True}) if asked else judge


def _has_held_out_pairs(draw: Draw) -> bool:
    """Whether the reference has several samples of a prompt, whose scores cost no words of a chat model."""
    alpaca = draw.recipe.evaluation.alpaca_eval
    if isinstance(alpaca.reference, tables.MethodReference):
        sampled = draw.recipe.methods[alpaca.reference.method].answer is None
    else:
        sampled = isinstance(alpaca.reference, tables.StartReference)
    differ = alpaca.samples_per_prompt > 1 and alpaca.temperature > 0
    return sampled and differ and not isinstance(alpaca.judge, LocalJudge | EndpointJudge)


def held_out_task(draw: Draw) -> Task:
    """The evaluation prompts; with AlpacaEval's own come the baseline's outputs."""
    table = draw.recipe.evaluation.alpaca_eval.prompts
    match table:
        case tables.AtlasHeldOutPrompts():
            return Task("held_out", {"source": plain(table), "world": draw.world}, {})
        case tables.HeldOutPrompts():
            pool = draw.recipe.pool.prompts
            assert isinstance(pool, DatasetPrompts)  # load_recipe refuses anything else
            params = {"source": plain(table)} | split_of(pool)
            return Task("held_out", params, {"dataset": dataset_task(draw, pool)})
        case tables.FilePrompts():
            params = {"source": {"kind": table.kind, "count": table.count}}
            return Task("held_out", params, {"dataset": dataset_task(draw, table)})
        case tables.OfficialPrompts():
            return Task("held_out", {"source": draw.content(table, "path")}, {}, draw.where(table, "path"))
        case _:
            assert_never(table)


def _reference(draw: Draw, held_out: Task, policies: Policies) -> Task:
    """The outputs that every method is compared with; sampled ones have random numbers of their own."""
    table = draw.recipe.evaluation.alpaca_eval.reference
    samples = draw.recipe.evaluation.alpaca_eval.samples_per_prompt
    match table:
        case tables.StartReference():
            base = next(iter(policies.values()))["base_model"]
            return _sampled(draw, held_out, {"base_model": base}, "reference")
        case tables.MethodReference():
            return _outputs(draw, held_out, table.method, policies, "reference")
        case tables.FileReference():
            inputs = {"held_out": held_out, "dataset": dataset_task(draw, table)}
            return Task("outputs", {"samples": samples, "from": "dataset"}, inputs)
        case tables.OfficialReference():
            return Task("outputs", {"samples": samples, "from": "official"}, {"held_out": held_out})
        case _:
            assert_never(table)


def _outputs(draw: Draw, held_out: Task, name: str, policies: Policies, stream: str) -> Task:
    """A method's outputs: samples of its policy, or the null model's constant answer."""
    answer = draw.recipe.methods[name].answer
    if answer is None:
        return _sampled(draw, held_out, policies[name], stream)
    samples = draw.recipe.evaluation.alpaca_eval.samples_per_prompt
    return Task("outputs", {"samples": samples, "answer": answer}, {"held_out": held_out})


def _sampled(draw: Draw, held_out: Task, policy: Mapping[str, Task], stream: str) -> Task:
    alpaca = draw.recipe.evaluation.alpaca_eval
    params = {
        "samples": alpaca.samples_per_prompt,
        "temperature": alpaca.temperature,
        "max_new_tokens": alpaca.max_new_tokens,
        "seed": draw.seed("evaluation"),
        "stream": stream,
    }
    return Task("outputs", params, {**policy, "held_out": held_out}, policy_knobs(draw))


def _mt_bench(draw: Draw, table: tables.MtBench, policy: Mapping[str, Task]) -> Task:
    judge, knobs = judge_of(draw, table.judge)
    params = draw.content(table, "questions") | judge | {"seed": draw.seed("evaluation")}
    return Task("mt_bench", params, policy, knobs | policy_knobs(draw) | draw.where(table, "questions"))
