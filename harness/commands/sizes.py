"""How large the models of a recipe are, as far as this machine knows."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from harness.errors import BadInput
from harness.models.hub import locate
from harness.models.weights import Size, size_in_name, size_of_folder
from harness.plan.draw import DataFile
from harness.recipe.data import judges_of
from harness.recipe.judges import LocalJudge, RewardModelJudge
from harness.recipe.model import HfModel
from harness.recipe.schema import Recipe


def policy_size(recipe: Recipe, files: Mapping[str, DataFile]) -> Size:
    """The base model's size; of no parameters where it is not known."""
    model = recipe.model
    return _size(model.name, model.revision, files) if isinstance(model, HfModel) else Size(0)


def judge_sizes(recipe: Recipe, files: Mapping[str, DataFile]) -> dict[str, float]:
    """The parameters of each judge that is a model here, by name; 0 where they are not known."""
    return {judge.name: _size(judge.name, judge.revision, files).parameters for judge in _models(recipe)}


def _models(recipe: Recipe) -> Iterator[RewardModelJudge | LocalJudge]:
    for _, judge in judges_of(recipe):
        if isinstance(judge, RewardModelJudge | LocalJudge):
            yield judge


def _size(name: str, revision: str | None, files: Mapping[str, DataFile]) -> Size:
    """By the weights on this machine, else by the name."""
    with suppress(BadInput):
        return size_of_folder(files[name].path if name in files else locate(name, revision))
    return size_in_name(name) or Size(0)
