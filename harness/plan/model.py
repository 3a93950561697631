"""The task that makes the untrained start."""

from harness.plan.draw import Draw, plain
from harness.plan.pool import dataset_task
from harness.plan.task import Task
from harness.recipe.model import AtlasModel, HfModel, Sft


def base_task(draw: Draw) -> Task:
    """The untrained start: the model, or what supervised fine-tuning makes of it."""
    model = draw.recipe.model
    if isinstance(model, AtlasModel):
        return Task("base_model", plain(model), {})
    params, knobs = plain(model, "sft"), {}
    if isinstance(model, HfModel):
        params = draw.content(model, "name") | ({} if model.template is None else _template(draw, model))
        params.pop("sft")
        knobs = {key: str(draw.files[name].path) for key, name in _local(draw, model).items()}
    base = Task("base_model", params, {}, knobs)
    return base if model.sft is None else _sft(draw, model.sft, base)


def _template(draw: Draw, model: HfModel) -> dict[str, str]:
    return {"template": draw.files[str(model.template)].sha256}


def _local(draw: Draw, model: HfModel) -> dict[str, str]:
    """What of a model lies in local files, by key."""
    named = {"name": model.name, "template": model.template or ""}
    return {key: name for key, name in named.items() if name in draw.files}


def _sft(draw: Draw, table: Sft, base: Task) -> Task:
    data = dataset_task(draw, table.data)
    return Task("sft", plain(table, "data"), {"base_model": base, "dataset": data})
