"""A recipe's document -> Recipe, with every problem found at once."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.errors import BadInput
from harness.recipe.data import data_problems
from harness.recipe.features import Gradients
from harness.recipe.files import read_document
from harness.recipe.launching import launch_problems
from harness.recipe.limits import limit_problems
from harness.recipe.losses import Loss, SumLoss
from harness.recipe.rules import (
    AllBreadth,
    ClustersBreadth,
    DiversePairing,
    GradientClustersDepth,
    GradientNormDepth,
    InfluenceDepth,
    LengthDepth,
    NearestPairing,
    RandomDepth,
    ScoreGapDepth,
    ScoreVarianceBreadth,
    TopPairing,
    UniformDepth,
)
from harness.recipe.schema import Method, Recipe, Training
from harness.recipe.trials import tuning_problems
from harness.recipe.wording import sentence, show, suggestion

GRADIENT_DEPTHS = (GradientNormDepth, GradientClustersDepth, InfluenceDepth)


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        BadInput: with one sentence for each problem: file, dotted place, rule, value, remedy.
    """
    document, origins = read_document(path)
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        details = [detail for detail in error.errors() if not _follows(detail)]
        found = {sentence(detail, document, Recipe): str(detail["loc"][0]) for detail in details}
        raise BadInput(_with_files(found, origins, path)) from None
    trained = {name: prompts_of(recipe, method) for name, method in recipe.methods.items() if method.trains}
    problems = [
        *_contradictions(recipe),
        *data_problems(recipe),
        *limit_problems(recipe, trained),
        *tuning_problems(recipe),
        *launch_problems(recipe.resources.training, recipe.training.precision, path.parent),
    ]
    if problems:
        keys = {problem: re.split("[.:]", problem, maxsplit=1)[0] for problem in problems}
        raise BadInput(_with_files(keys, origins, path))
    return recipe


def prompts_of(recipe: Recipe, method: Method) -> int:
    """How many prompts a training method uses: what the responses budget pays for, what its breadth
    asks for, or the whole pool.
    """
    asked = _asked(method)
    if isinstance(method.breadth, AllBreadth | ScoreVarianceBreadth) or recipe.budget.responses is None:
        return asked or recipe.pool.prompts.count
    return recipe.budget.responses // (method.responses_per_prompt or 1) - validation_of(method)


def screened_of(recipe: Recipe, method: Method) -> int:
    """How many prompts of the pool get responses: those it uses, or all that its breadth scores first."""
    if isinstance(method.breadth, ScoreVarianceBreadth):
        return method.breadth.among or recipe.pool.prompts.count
    return prompts_of(recipe, method)


def validation_of(method: Method) -> int:
    """How many prompts outside the pool get responses, to guide the selection."""
    return method.depth.validation if isinstance(method.depth, InfluenceDepth) else 0


def gradients_of(recipe: Recipe, method: Method) -> Gradients:
    """The gradient settings of a method: those of its depth rule where it has its own."""
    depth = method.depth
    own = depth.gradients if isinstance(depth, GRADIENT_DEPTHS) else None
    return own or recipe.features.gradients


def uses_pair_gradients(method: Method) -> bool:
    """Whether the depth rule looks at the directions of pair gradients, which follow from the loss."""
    depth = method.depth
    if isinstance(depth, GradientClustersDepth):
        return depth.features == "gradients"
    return isinstance(depth, InfluenceDepth)


def _asked(method: Method) -> int | None:
    """The number of prompts that a method's breadth names."""
    return None if isinstance(method.breadth, AllBreadth) else method.breadth.prompts


def _follows(detail: ErrorDetails) -> bool:
    """Whether a problem only follows from another: a list is 'too short' once its bad items are left out."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _with_files(problems: Mapping[str, str], origins: Mapping[str, Path], path: Path) -> list[str]:
    """Each problem, a key of the mapping, after the file where its value, a top-level key, stands."""
    return [f"{origins.get(key, path)}: {problem}" for problem, key in problems.items()]


def _contradictions(recipe: Recipe) -> Iterator[str]:
    """Problems between keys that are each right alone."""
    if recipe.baseline not in recipe.methods:
        yield f"baseline: no method is called '{recipe.baseline}'." + suggestion(
            recipe.baseline, list(recipe.methods)
        )
    if len(set(recipe.seeds.replicates)) < len(recipe.seeds.replicates):
        yield f"seeds.replicates: each number once. Got {show(recipe.seeds.replicates)}."
    if recipe.budget.responses is None and recipe.budget.pairs is None:
        yield "budget: needs `responses`, `pairs` or both. Add one."
    for problem in _training_contradictions(recipe.training):
        yield f"training.{problem}"
    for problem in _gradient_contradictions(recipe.features.gradients):
        yield f"features.gradients.{problem}"
    yield from _loss_contradictions(recipe.loss)
    for name, method in recipe.methods.items():
        for problem in _method_contradictions(recipe, method):
            yield f"methods.{name}.{problem}"


def _training_contradictions(training: Training) -> Iterator[str]:
    if training.micro_batch and training.pairs_per_step % training.micro_batch:
        yield (
            f"micro_batch: must divide pairs_per_step ({training.pairs_per_step}). "
            f"Got {training.micro_batch}."
        )
    if training.batching == "pairs" and training.prompts_per_step is not None:
        yield (
            f"prompts_per_step: with batching = 'pairs' a step holds pairs. Got {training.prompts_per_step}. "
            "Remove it, or use batching = 'prompts'."
        )
    for key in ("lora_rank", "targets"):
        if training.weights == "full" and key in training.model_fields_set:
            yield f"{key}: there is no adapter with weights = 'full'. Remove it, or use weights = 'lora'."


def _gradient_contradictions(gradients: Gradients) -> Iterator[str]:
    if gradients.at == "warmup" and gradients.warmup_steps is None:
        yield "warmup_steps: required with at = 'warmup'. Add it."
    if gradients.at == "reference" and gradients.warmup_steps is not None:
        yield (
            f"warmup_steps: there is no warm-up with at = 'reference'. Got {gradients.warmup_steps}. "
            "Remove it, or use at = 'warmup'."
        )
    if gradients.at == "reference" and gradients.preconditioning != "none":
        yield (
            f"preconditioning: '{gradients.preconditioning}' needs what Adam has learnt in a warm-up. "
            "Use at = 'warmup', or 'none'."
        )


def _loss_contradictions(loss: Loss) -> Iterator[str]:
    if isinstance(loss, SumLoss) and len(loss.weights) != len(loss.terms):
        yield (
            f"loss.weights: one for each of the {len(loss.terms)} terms. Got {show(loss.weights)}. "
            "Add or remove some."
        )


def _method_contradictions(recipe: Recipe, method: Method) -> Iterator[str]:
    per_prompt = method.responses_per_prompt
    if per_prompt is None:
        unused = sorted(method.model_fields_set - {"answer"})
        if unused:
            yield f"responses_per_prompt: required where `{unused[0]}` is given. Add it, or empty the table."
        return
    if method.answer is not None:
        yield "answer: a method with a constant answer trains on nothing. Remove `responses_per_prompt`."
    yield from _prompt_contradictions(recipe, method, per_prompt)
    yield from _rule_contradictions(method)
    if method.loss is not None:
        yield from _loss_contradictions(method.loss)
    yield from _feature_contradictions(recipe, method)
    yield from _pair_contradictions(recipe, method, per_prompt)


def _prompt_contradictions(recipe: Recipe, method: Method, per_prompt: int) -> Iterator[str]:
    responses = recipe.budget.responses
    if responses is not None and responses % per_prompt:
        yield f"responses_per_prompt: must divide budget.responses ({responses}). Got {per_prompt}."
        return
    paid = None if responses is None else responses // per_prompt - validation_of(method)
    if responses is not None and paid is not None and paid < 1:
        yield (
            f"depth.validation: leaves no prompt of the {responses // per_prompt} that budget.responses "
            f"({responses}) pays for with {per_prompt} responses each. Got {validation_of(method)}. Lower it."
        )
        return
    yield from _breadth_contradictions(recipe, method, per_prompt, paid)
    breadth, prompts = method.breadth, prompts_of(recipe, method)
    if isinstance(breadth, ClustersBreadth):
        if breadth.clusters is None and breadth.pick == "proportional":
            yield "breadth.clusters: required where `pick` is 'proportional'. Add it."
        if breadth.clusters is not None and breadth.clusters > prompts:
            yield f"breadth.clusters: must be at most {prompts}, the prompts taken. Got {breadth.clusters}."


def _breadth_contradictions(
    recipe: Recipe, method: Method, per_prompt: int, paid: int | None
) -> Iterator[str]:
    """Problems with how many prompts there are; `paid` is what the responses budget pays for."""
    responses, pool = recipe.budget.responses, recipe.pool.prompts.count
    breadth, asked = method.breadth, _asked(method)
    screened, prompts = screened_of(recipe, method), prompts_of(recipe, method)
    if isinstance(breadth, ScoreVarianceBreadth) and paid is not None and screened > paid:
        yield (
            f"breadth.among: 'score-variance' first scores {screened} prompts with {per_prompt} responses "
            f"each, but budget.responses ({responses}) pays for {paid}. Set `among` to at most {paid}, or "
            "hold a budget of pairs instead."
        )
    elif isinstance(breadth, ScoreVarianceBreadth) and prompts > screened:
        yield f"breadth.prompts: must be at most the {screened} prompts it chooses among. Got {prompts}."
    elif isinstance(breadth, AllBreadth) and paid is not None and paid != pool:
        yield (
            f"breadth: 'all' asks for {pool} prompts, but budget.responses ({responses}) pays for {paid} "
            f"with {per_prompt} responses each. Use 'random' or 'clusters', or change the budget."
        )
    elif not isinstance(breadth, ScoreVarianceBreadth) and None not in (asked, paid) and asked != paid:
        yield (
            f"breadth.prompts: budget.responses ({responses}) pays for {paid} prompts with {per_prompt} "
            f"responses each. Got {asked}. Remove the key."
        )
    elif screened > pool:
        yield (
            f"breadth: asks for {screened} prompts, but the pool has {pool}. "
            f"Raise pool.prompts.count or responses_per_prompt."
        )


def _rule_contradictions(method: Method) -> Iterator[str]:
    """Problems between depth and pairing."""
    depth = method.depth
    clusters = depth if isinstance(depth, GradientClustersDepth) else None
    if isinstance(method.pairing, NearestPairing) and clusters is None:
        yield "pairing: 'nearest' needs the clusters of depth 'gradient-clusters'. Change one of the two."
    if isinstance(method.pairing, TopPairing) and (
        isinstance(depth, UniformDepth | RandomDepth | LengthDepth)
        or (clusters and clusters.prefer == "uniform")
    ):
        yield (
            "pairing: 'top' needs a depth that ranks pairs, and this one does not. "
            "Use 'random', or another depth."
        )
    if isinstance(depth, ScoreGapDepth) and depth.count == "mean" and depth.prefer != "largest":
        yield "depth.prefer: 'smallest' needs count 'top': a mean is no rank. Change one of the two."


def _feature_contradictions(recipe: Recipe, method: Method) -> Iterator[str]:
    """Problems with the gradients that a method looks at."""
    depth, pairing = method.depth, method.pairing
    if isinstance(depth, GradientClustersDepth) and depth.gradients and depth.features != "gradients":
        yield f"depth.gradients: not used where `features` is '{depth.features}'. Remove it."
    if isinstance(depth, GRADIENT_DEPTHS) and depth.gradients:
        for problem in _gradient_contradictions(depth.gradients):
            yield f"depth.gradients.{problem}"
    settings, loss = gradients_of(recipe, method), recipe.loss_of(method)
    objective = recipe.loss if settings.preconditioning == "exact" else loss
    if uses_pair_gradients(method) and "common" in objective.needs:
        yield (
            f"depth: '{depth.kind}' makes each pair's gradient from those of its two responses, but that of "
            f"loss '{objective.kind}' also needs parts of them. Use another depth, or another loss."
        )
    lengths = {
        "depth: 'gradient-norm'": isinstance(depth, GradientNormDepth),
        "pairing.by: 'gradients'": isinstance(pairing, DiversePairing) and pairing.by == "gradients",
    }
    for place, compared in lengths.items():
        if compared and settings.at != "reference":
            yield (
                f"{place} compares lengths of gradients, which only at = 'reference' has. "
                "Give the depth rule `gradients` of its own, or change features.gradients."
            )


def _pair_contradictions(recipe: Recipe, method: Method, per_prompt: int) -> Iterator[str]:
    prompts, pairs = prompts_of(recipe, method), recipe.budget.pairs
    most = per_prompt * (per_prompt - 1) // 2
    if method.depth.pairs is not None and method.depth.pairs > most:
        yield f"depth.pairs: {per_prompt} responses make at most {most} pairs. Got {method.depth.pairs}."
    if pairs is None:
        return
    if pairs > prompts * most:
        yield (
            f"depth: budget.pairs asks for {pairs} pairs, but {prompts} prompts with {per_prompt} responses "
            f"each make at most {prompts * most}. Raise responses_per_prompt or the number of prompts."
        )
    if method.depth.pairs is not None and method.depth.pairs * prompts != pairs:
        yield (
            f"depth.pairs: {method.depth.pairs} pairs for each of {prompts} prompts are "
            f"{method.depth.pairs * prompts}, but budget.pairs is {pairs}. Change one of the three."
        )
    if not isinstance(method.depth, UniformDepth) and method.depth.minimum * prompts > pairs:
        yield (
            f"depth.minimum: {method.depth.minimum} for each of {prompts} prompts is more than budget.pairs "
            f"({pairs}). Lower it."
        )
