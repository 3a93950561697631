"""TOML files -> Recipe, with every problem found at once."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.errors import BadInput
from harness.recipe.schema import (
    AllBreadth,
    GradientClustersDepth,
    Gradients,
    Method,
    NearestPairing,
    Recipe,
    UniformDepth,
)
from harness.recipe.wording import sentence, suggestion

MAX_BYTES = 1_000_000


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        BadInput: with one sentence for each problem: file, dotted place, rule, value, remedy.
    """
    document = _merged(path, seen=())
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        details = [detail for detail in error.errors() if not _follows(detail)]
        found = dict.fromkeys(sentence(detail, document, Recipe) for detail in details)
        raise BadInput([f"{path}: {problem}" for problem in found]) from None
    problems = [f"{path}: {problem}" for problem in _contradictions(recipe)]
    if problems:
        raise BadInput(problems)
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


def _merged(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """The document on top of what it extends: tables replace whole tables, methods are never inherited."""
    if path.resolve() in seen:
        raise BadInput(f"{path}: extends: the files extend each other in a circle. Remove one `extends`.")
    document = _parsed(path)
    parent = document.get("extends")
    if not isinstance(parent, str):
        return document
    base = path.parent / parent
    if not base.is_file():
        raise BadInput(f"{path}: extends: there is no file '{parent}' beside it. Correct the path.")
    inherited = _merged(base, (*seen, path.resolve()))
    inherited.pop("methods", None)
    return inherited | document


def _parsed(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such file. Give the path of a recipe (.toml).") from None
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be read: {error.strerror}. Give the path of a recipe (.toml)."
        ) from None
    if len(raw) > MAX_BYTES:
        raise BadInput(f"{path}: a recipe has at most {MAX_BYTES:,} bytes. Got {len(raw):,}.")
    try:
        document = tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: is not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise BadInput(
            f"{path}: is not TOML: {error or 'nested too deeply'}. {_toml_remedy(str(error))}"
        ) from None
    return {key: _frozen(value) for key, value in document.items()}


def _toml_remedy(message: str) -> str:
    if "Cannot declare" in message or "Cannot overwrite" in message:
        return "Two tables or keys have one name: rename one of them."
    return "Correct the line."


def _frozen(value: Any) -> Any:
    """Arrays as tuples, which the frozen schema holds."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return value


def _contradictions(recipe: Recipe) -> Iterator[str]:
    """Problems between keys that are each right alone."""
    if recipe.baseline not in recipe.methods:
        yield f"baseline: no method is called '{recipe.baseline}'." + suggestion(
            recipe.baseline, list(recipe.methods)
        )
    if len(set(recipe.seeds.replicates)) < len(recipe.seeds.replicates):
        yield f"seeds.replicates: each number once. Got {list(recipe.seeds.replicates)}."
    if recipe.budget.responses is None and recipe.budget.pairs is None:
        yield "budget: needs `responses`, `pairs` or both. Add one."
    if recipe.training.micro_batch and recipe.training.pairs_per_step % recipe.training.micro_batch:
        yield (
            f"training.micro_batch: must divide pairs_per_step ({recipe.training.pairs_per_step}). "
            f"Got {recipe.training.micro_batch}."
        )
    for problem in _gradient_contradictions(recipe.features.gradients):
        yield f"features.gradients.{problem}"
    for name, method in recipe.methods.items():
        for problem in _method_contradictions(recipe, method):
            yield f"methods.{name}.{problem}"


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
