"""What `harness run` is told besides the recipe, checked against it before anything runs."""

from harness.commands.places import Places
from harness.errors import BadInput
from harness.plan.build import Plan
from harness.recipe.schema import Recipe
from harness.stages.options import Options, split_problem, tracker_of


def options_of(
    places: Places, recipe: Recipe, plan: Plan, report_to: str | None, train_processes: int
) -> Options:
    """How the plan is run; a training that several cells share is named after the first of them.

    Raises:
        BadInput: the tracker is not there, or so many processes cannot share a method's training.
    """
    problems = [
        f"{places.recipe}: methods.{name}: {problem}"
        for name, method in recipe.methods.items()
        if method.trains and (problem := _split_problem(recipe, name, train_processes))
    ]
    if problems:
        raise BadInput(problems)
    names: dict[str, str] = {}
    for cell in plan.cells:
        if "adapter" in cell.ends:
            names.setdefault(cell.ends["adapter"].key, f"{cell.method}.{cell.replicate}")
    return Options(tracker_of(report_to), places.recipe.stem, names, train_processes)


def _split_problem(recipe: Recipe, name: str, processes: int) -> str | None:
    method = recipe.methods[name]
    training, loss = recipe.training_of(method), recipe.loss_of(method)
    return split_problem(
        training.pairs_per_step, training.micro_batch, training.batching, "running" in loss.needs, processes
    )
