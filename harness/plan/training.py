"""The tasks that train a method: one adapter, or one for each trial and the choice among them."""

from harness.plan.draw import Draw, plain
from harness.plan.features import known_reference
from harness.plan.pool import judge_of, policy_knobs, validation_task
from harness.plan.task import Task
from harness.recipe.losses import Loss
from harness.recipe.reference import arithmetic_of, row_needs
from harness.recipe.schema import Method, Training
from harness.recipe.trials import trials_of, with_settings
from harness.recipe.tuning import Tuning


def adapter_task(draw: Draw, method: Method, base: Task, pairs: Task) -> Task:
    """The adapter that a method is evaluated with; where methods are tuned, the best of its trials."""
    recipe = draw.recipe
    training, loss = recipe.training_of(method), recipe.loss_of(method)
    if recipe.tuning is None:
        return _trained(draw, training, loss, pairs)
    settings = trials_of(recipe, method, draw.seed("training"))
    inputs = {}
    for number, each in enumerate(settings):
        adapter = _trained(draw, *with_settings(training, loss, each), pairs)
        inputs[f"adapter_{number}"] = adapter
        inputs[f"trial_{number}"] = _trial(draw, recipe.tuning, base, adapter)
    return Task("tuned", {"settings": settings, "prompts": recipe.tuning.prompts}, inputs)


def _trained(draw: Draw, training: Training, loss: Loss, pairs: Task) -> Task:
    params = {"loss": plain(loss), "training": plain(training), "seed": draw.seed("training")}
    needs = row_needs(loss.needs, training.batching)
    known = known_reference(pairs, needs, arithmetic_of(draw.recipe, training))
    return Task("adapter", params, {"base_model": pairs.inputs["base_model"], "pairs": pairs, **known})


def _trial(draw: Draw, tuning: Tuning, base: Task, adapter: Task) -> Task:
    """How good an adapter is on the validation prompts; the untrained start's responses serve all methods."""
    alpaca, seed = draw.recipe.evaluation.alpaca_eval, draw.seed("training")
    prompts = validation_task(draw, tuning.prompts, skip=0)
    sampling = {
        "per_prompt": tuning.samples_per_prompt,
        "temperature": alpaca.temperature,
        "max_new_tokens": alpaca.max_new_tokens,
        "seed": seed,
    }
    shared = {"base_model": base, "prompts": prompts}
    reference = Task("responses", {"kind": "sample", **sampling}, shared, policy_knobs(draw))
    judge, knobs = judge_of(draw, alpaca.judge)
    inputs = {**shared, "adapter": adapter, "reference": reference}
    return Task("trial", sampling | judge, inputs, knobs | policy_knobs(draw))
