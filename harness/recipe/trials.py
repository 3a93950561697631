"""The trials of a tuned method: which settings are tried, and what cannot be tried."""

import math
import random
from collections.abc import Iterator, Mapping
from typing import TypeAlias, TypeVar

from pydantic import ValidationError

from harness.recipe.schema import Method, Recipe, Training
from harness.recipe.table import Table
from harness.recipe.tuning import Setting
from harness.recipe.wording import sentence, show, suggestion

Settings: TypeAlias = dict[str, Setting]
"""One trial: a value for every axis of a method's space."""

RATE = "learning_rate"
T = TypeVar("T", bound=Table)


def space_of(recipe: Recipe, method: Method) -> dict[str, tuple[Setting, ...]]:
    """The axes of a method's space: the recipe's, with its own in their place; empty ones left out."""
    shared = recipe.tuning.space if recipe.tuning else {}
    own = method.tuning.space if method.tuning else {}
    return {name: values for name, values in (shared | own).items() if values}


def trials_of(recipe: Recipe, method: Method, seed: int) -> list[Settings]:
    """The settings that are tried, in the order of the grid, whose last axis runs fastest.

    The whole grid where it has as many as there are trials, else a draw from it without replacement.
    """
    assert recipe.tuning is not None
    space, trials = space_of(recipe, method), recipe.tuning.trials
    drawn = random.Random(seed).sample(range(_size(space)), trials)
    return [_point(space, number) for number in sorted(drawn)]


def with_settings(training: Training, loss: T, settings: Settings) -> tuple[Training, T]:
    """A training and a loss with the values of one trial in place of their own."""
    rate = {name: value for name, value in settings.items() if name == RATE}
    rest = {name: value for name, value in settings.items() if name != RATE}
    return _changed(training, rate), _changed(loss, rest)


def tuning_problems(recipe: Recipe) -> list[str]:
    """One sentence for each problem; what a shared axis does to many methods is said once."""
    return list(dict.fromkeys(_problems(recipe)))


def _problems(recipe: Recipe) -> Iterator[str]:
    for axis, values in (recipe.tuning.space if recipe.tuning else {}).items():
        yield from _double(f"tuning.space.{axis}", values)
    for name, method in recipe.methods.items():
        if method.tuning and recipe.tuning is None:
            yield f"methods.{name}.tuning: the recipe has no table `tuning`. Add it, or remove this one."
        elif method.trains and recipe.tuning:
            yield from _method_problems(recipe, name, method, recipe.tuning.trials)


def _method_problems(recipe: Recipe, name: str, method: Method, trials: int) -> Iterator[str]:
    space, own = space_of(recipe, method), method.tuning.space if method.tuning else {}
    for axis in own:
        yield from _double(f"methods.{name}.tuning.space.{axis}", own[axis])
    for axis, values in space.items():
        yield from _axis_problems(recipe, name, axis, values)
    if RATE in space and method.training.learning_rate is not None:
        yield (
            f"methods.{name}.training.learning_rate: {method.training.learning_rate} is never used, because "
            "tuning tries learning rates. Remove it, or leave them out for this method: "
            "tuning = { space = { learning_rate = [] } }."
        )
    if _size(space) < trials:
        yield (
            f"tuning.trials: {trials}, but the space of methods.{name} has {_size(space)} settings. "
            "Lower it, or give the space more values."
        )


def _axis_problems(recipe: Recipe, name: str, axis: str, values: tuple[Setting, ...]) -> Iterator[str]:
    method = recipe.methods[name]
    table: Table = recipe.training if axis == RATE else recipe.loss_of(method)
    known = [field for field in type(table).model_fields if field != "kind"]
    is_own = method.tuning is not None and axis in method.tuning.space
    place = f"methods.{name}.tuning.space" if is_own else "tuning.space"
    if axis in known:
        for value in values:
            yield from (f"{place}.{problem}" for problem in _refusals(table, axis, value))
    elif is_own:
        yield f"{place}.{axis}: the method's loss has none." + suggestion(axis, [RATE, *known])
    else:
        yield (
            f"tuning.space.{axis}: the loss of methods.{name} has none. Leave it out for this method: "
            f"tuning = {{ space = {{ {axis} = [] }} }}."
        )


def _refusals(table: Table, axis: str, value: Setting) -> Iterator[str]:
    """What a table says of one value."""
    try:
        _changed(table, {axis: value})
    except ValidationError as error:
        for detail in error.errors():
            yield sentence(detail, {axis: value}, type(table))


def _double(place: str, values: tuple[Setting, ...]) -> Iterator[str]:
    if len(set(values)) < len(values):
        yield f"{place}: each value once. Got {show(values)}."


def _changed(table: T, values: Mapping[str, Setting]) -> T:
    return type(table).model_validate(table.model_dump() | dict(values))


def _size(space: Mapping[str, tuple[Setting, ...]]) -> int:
    return math.prod(len(values) for values in space.values())


def _point(space: dict[str, tuple[Setting, ...]], number: int) -> Settings:
    """The setting of one number of the grid."""
    point: Settings = {}
    for name in reversed(space):
        number, at = divmod(number, len(space[name]))
        point[name] = space[name][at]
    return {name: point[name] for name in space}
