"""The task that makes the untrained start."""

from harness.plan.draw import Draw, plain
from harness.plan.pool import dataset_task
from harness.plan.task import Task
from harness.recipe.model import AtlasModel, HfModel


def base_task(draw: Draw) -> Task:
    """The untrained start: the model, or what supervised fine-tuning makes of it."""
    model = draw.recipe.model
    if isinstance(model, AtlasModel):
        return Task("base_model", plain(model), {})
    base = (
        _pointer(draw, model) if isinstance(model, HfModel) else Task("base_model", plain(model, "sft"), {})
    )
    if model.sft is None:
        return base
    data = dataset_task(draw, model.sft.data)
    return Task("sft", plain(model.sft, "data"), {"base_model": base, "dataset": data})


def _pointer(draw: Draw, model: HfModel) -> Task:
    """A model that is there already; its chat template is a local file, wherever the model lies."""
    params, knobs = draw.content(model, "name"), draw.where(model, "name")
    del params["sft"]
    if model.template is not None:
        file = draw.files[model.template]
        params["template"], knobs["template"] = file.sha256, str(file.path)
    return Task("base_model", params, {}, knobs)
