"""The tasks behind a method's pairs: its prompts, their responses and scores, and what its rules look at."""

from dataclasses import dataclass
from typing import Any, assert_never

from harness.plan.draw import Draw, plain
from harness.plan.features import (
    Sampled,
    bank_task,
    embeddings_task,
    hidden_states_task,
    logprobs_task,
    warmup_task,
)
from harness.plan.pool import prompts_task, responses_task, scores_task, validation_task
from harness.plan.task import Task
from harness.recipe import rules, schema
from harness.recipe.load import (
    gradients_of,
    prompts_of,
    screened_of,
    uses_pair_gradients,
    validation_of,
)


@dataclass(frozen=True)
class _Selection:
    """One method's selection under one replicate."""

    draw: Draw
    method: schema.Method
    base: Task

    @property
    def pool(self) -> Task:
        return prompts_task(self.draw, self.base)

    def sample(self, prompts: Task) -> Sampled:
        """K responses for each prompt, and their scores."""
        assert self.method.responses_per_prompt is not None
        responses = responses_task(self.draw, self.base, prompts, self.method.responses_per_prompt)
        return Sampled(prompts, responses, scores_task(self.draw, prompts, responses))

    def breadth(self, rule: rules.Breadth, count: int, inputs: dict[str, Task]) -> Task:
        """The prompts that a rule takes."""
        # `count` says how many; a rule must keep the key where its table requires it.
        table = plain(rule) if isinstance(rule, rules.ScoreVarianceBreadth) else plain(rule, "prompts")
        params = {"breadth": table, "count": count, "seed": self.draw.seed("selection")}
        return Task("breadth", params, inputs)


def pairs_task(draw: Draw, method: schema.Method, base: Task) -> Task:
    """The task that chooses a method's pairs, with all that it rests on; the method pays for all of it."""
    one = _Selection(draw, method, base)
    sampled = _sampled(one)
    params = {
        "depth": plain(method.depth),
        "pairing": plain(method.pairing),
        "budget": draw.recipe.budget.pairs,
        "max_length": draw.recipe.training.max_length,
        "seed": draw.seed("selection"),
    }
    evidence = _evidence_of_depth(one, sampled) | _evidence_of_pairing(one, sampled)
    if not isinstance(method.pairing, rules.LongestPairing):
        evidence["scores"] = sampled.scores
    if uses_pair_gradients(method):
        params |= _loss_of_gradients(draw, method)
    return Task("pairs", params, sampled.read_by(base) | evidence)


def _loss_of_gradients(draw: Draw, method: schema.Method) -> dict[str, Any]:
    """The method's loss, where the directions of its pair gradients follow from it and not from the bank."""
    settings, loss = gradients_of(draw.recipe, method), draw.recipe.loss_of(method)
    depends = settings.preconditioning != "exact" and (settings.at == "warmup" or not loss.plain)
    return {"loss": plain(loss)} if depends else {}


def _sampled(one: _Selection) -> Sampled:
    """The method's prompts, their responses and scores."""
    rule, count = one.method.breadth, prompts_of(one.draw.recipe, one.method)
    inputs = {"prompts": one.pool}
    match rule:
        case rules.AllBreadth() | rules.RandomBreadth():
            pass
        case rules.ClustersBreadth() | rules.KCenterBreadth():
            inputs["embeddings"] = embeddings_task(one.draw, one.base, one.pool)
        case rules.ScoreVarianceBreadth():
            return _screened(one, rule, count)
        case _:
            assert_never(rule)
    return one.sample(one.breadth(rule, count, inputs))


def _screened(one: _Selection, rule: rules.ScoreVarianceBreadth, count: int) -> Sampled:
    """Prompts chosen by their scores; their responses are those already there, so nothing is paid twice."""
    size = screened_of(one.draw.recipe, one.method)
    prompts = one.pool
    if size < one.draw.recipe.pool.prompts.count:
        prompts = one.breadth(rules.RandomBreadth(), size, {"prompts": prompts})
    all_of_them = one.sample(prompts)
    chosen = one.breadth(rule, count, all_of_them.inputs)
    kept = Task("kept", {}, all_of_them.inputs | {"prompts": chosen})
    return Sampled(chosen, kept, kept)


def _evidence_of_depth(one: _Selection, sampled: Sampled) -> dict[str, Task]:
    """What the depth rule looks at besides responses and scores, by name."""
    rule = one.method.depth
    match rule:
        case rules.UniformDepth() | rules.RandomDepth() | rules.LengthDepth() | rules.ScoreGapDepth():
            return {}
        case rules.GradientNormDepth():
            return {"gradients": _gradients(one, sampled)}
        case rules.GradientClustersDepth():
            if rule.features == "hidden-states":
                return {"hidden_states": hidden_states_task(one.base, sampled)}
            return {"gradients": _gradients(one, sampled)}
        case rules.InfluenceDepth():
            return {"gradients": _gradients(one, sampled)} | _validation(one, sampled)
        case rules.LossDepth() | rules.BeesDepth():
            return _margins(one, sampled, rule.warmup_steps)
        case rules.DeitaDepth():
            return {"hidden_states": hidden_states_task(one.base, sampled)}
        case rules.IfdDepth():
            return {
                "logprobs": logprobs_task(sampled.read_by(one.base)),
                "unconditional": logprobs_task(sampled.read_by(one.base), conditional=False),
            }
        case _:
            assert_never(rule)


def _evidence_of_pairing(one: _Selection, sampled: Sampled) -> dict[str, Task]:
    """What the pairing rule looks at besides responses and scores, by name."""
    if not isinstance(one.method.pairing, rules.DiversePairing):
        return {}
    match one.method.pairing.by:
        case "text":
            return {}
        case "hidden-states":
            return {"hidden_states": hidden_states_task(one.base, sampled)}
        case "gradients":
            return {"gradients": _gradients(one, sampled)}
        case _:
            assert_never(one.method.pairing.by)


def _validation(one: _Selection, sampled: Sampled) -> dict[str, Task]:
    """Validation prompts, scored like the pool, and the gradients of their responses.

    They are others than those that methods are tuned on.
    """
    tuning = one.draw.recipe.tuning
    skip = tuning.prompts if tuning else 0
    held = one.sample(validation_task(one.draw, validation_of(one.method), skip))
    named = {f"validation_{name}": task for name, task in held.inputs.items()}
    return named | {"validation_gradients": _gradients(one, sampled, of=held)}


def _gradients(one: _Selection, sampled: Sampled, of: Sampled | None = None) -> Task:
    """The gradient bank, by the settings of the method."""
    settings = gradients_of(one.draw.recipe, one.method)
    return bank_task(one.draw, settings, one.base, sampled, of or sampled)


def _margins(one: _Selection, sampled: Sampled, steps: int) -> dict[str, Task]:
    """Log-probabilities of the responses under the reference, and after a warm-up of so many steps."""
    bank = one.draw.recipe.features.gradients
    settings = bank.model_copy(update={"at": "warmup", "warmup_steps": steps})
    warm, read = warmup_task(one.draw, settings, one.base, sampled), sampled.read_by(one.base)
    return {"logprobs": logprobs_task(read), "warm_logprobs": logprobs_task(read | {"adapter": warm})}
