"""A recipe's document -> Recipe, with every problem found at once."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.errors import BadInput
from harness.recipe.files import read_document
from harness.recipe.limits import limit_problems
from harness.recipe.schema import (
    AllBreadth,
    GradientClustersDepth,
    Method,
    NearestPairing,
    Recipe,
    UniformDepth,
)
from harness.recipe.wording import sentence, show, suggestion


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
    problems = [*_contradictions(recipe), *limit_problems(recipe, trained)]
    if problems:
        keys = {problem: re.split("[.:]", problem, maxsplit=1)[0] for problem in problems}
        raise BadInput(_with_files(keys, origins, path))
    return recipe


def prompts_of(recipe: Recipe, method: Method) -> int:
    """How many prompts a training method uses: what the responses budget pays for, what its breadth
    asks for, or the whole pool.
    """
    pool = recipe.pool.prompts.count
    asked = None if isinstance(method.breadth, AllBreadth) else method.breadth.prompts
    if isinstance(method.breadth, AllBreadth) or recipe.budget.responses is None:
        return asked or pool
    return recipe.budget.responses // (method.responses_per_prompt or 1)


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
    if recipe.training.micro_batch and recipe.training.pairs_per_step % recipe.training.micro_batch:
        yield (
            f"training.micro_batch: must divide pairs_per_step ({recipe.training.pairs_per_step}). "
            f"Got {recipe.training.micro_batch}."
        )
    for name, method in recipe.methods.items():
        for problem in _method_contradictions(recipe, method):
            yield f"methods.{name}.{problem}"


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
    yield from _pair_contradictions(recipe, method, per_prompt)


def _prompt_contradictions(recipe: Recipe, method: Method, per_prompt: int) -> Iterator[str]:
    responses, pool = recipe.budget.responses, recipe.pool.prompts.count
    asked = None if isinstance(method.breadth, AllBreadth) else method.breadth.prompts
    if responses is not None and responses % per_prompt:
        yield f"responses_per_prompt: must divide budget.responses ({responses}). Got {per_prompt}."
        return
    paid = None if responses is None else responses // per_prompt
    if isinstance(method.breadth, AllBreadth) and paid is not None and paid != pool:
        yield (
            f"breadth: 'all' asks for {pool} prompts, but budget.responses ({responses}) pays for {paid} "
            f"with {per_prompt} responses each. Use 'random' or 'clusters', or change the budget."
        )
    elif asked is not None and paid is not None and asked != paid:
        yield (
            f"breadth.prompts: budget.responses ({responses}) pays for {paid} prompts with {per_prompt} "
            f"responses each. Got {asked}. Remove the key."
        )
    elif prompts_of(recipe, method) > pool:
        yield (
            f"breadth: asks for {prompts_of(recipe, method)} prompts, but the pool has {pool}. "
            f"Raise pool.prompts.count or responses_per_prompt."
        )


def _pair_contradictions(recipe: Recipe, method: Method, per_prompt: int) -> Iterator[str]:
    prompts, pairs = prompts_of(recipe, method), recipe.budget.pairs
    most = per_prompt * (per_prompt - 1) // 2
    if isinstance(method.pairing, NearestPairing) and not isinstance(method.depth, GradientClustersDepth):
        yield "pairing: 'nearest' needs the clusters of depth 'gradient-clusters'. Change one of the two."
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
