"""What `harness run` is told besides the recipe, checked against it before anything runs."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

from harness.commands.places import Places
from harness.errors import BadInput
from harness.plan.build import Cell, Plan
from harness.recipe.data import endpoints_of
from harness.recipe.launching import Launch, launch_of
from harness.recipe.schema import Recipe
from harness.stages.asking import endpoint_of
from harness.stages.options import Options, split_problem, tracker_of

ON_EACH_NODE = "HARNESS_ON_EACH_NODE"
"""Not a key of the recipe: nothing that a recipe says is run."""


def options_of(
    places: Places, recipe: Recipe, plan: Plan, report_to: str | None, train_processes: int | None
) -> Options:
    """How the plan is run; a training that several cells share is named after the first of them.

    Raises:
        BadInput: the tracker is not there, so many processes cannot share a method's training or be started
            as the recipe says, or an endpoint cannot be asked so.
    """
    launch = _launch(places, recipe, train_processes)
    problems = [
        f"{places.recipe}: methods.{name}: {problem}"
        for name, method in recipe.methods.items()
        if method.trains and (problem := _split_problem(recipe, name, launch.processes))
    ]
    problems += _endpoint_problems(places, recipe)
    if problems:
        raise BadInput(problems)
    names = {key: name for cell in reversed(plan.cells) for key, name in _trainings(cell)}
    return Options(tracker_of(report_to), places.recipe.stem, names, launch, targets=recipe.training.targets)


def _launch(places: Places, recipe: Recipe, train_processes: int | None) -> Launch:
    table, precision = recipe.resources.training, recipe.training.precision
    try:
        launch = launch_of(table, precision, places.recipe.parent, train_processes)
    except BadInput as error:
        raise BadInput([f"{places.recipe}: {problem}" for problem in error.problems]) from None
    if launch.distributed == "DEEPSPEED" and find_spec("deepspeed") is None:
        raise BadInput(
            f"{places.recipe}: resources.training.config: asks for DeepSpeed, which is not installed. "
            "Install it with `pip install deepspeed`, or use FSDP."
        )
    if launch.nodes == 1:
        return launch
    try:
        words = shlex.split(os.environ.get(ON_EACH_NODE, ""))
    except ValueError as error:
        raise BadInput(f"{ON_EACH_NODE}: {error}. Correct it.") from None
    if not words:
        raise BadInput(
            f"{places.recipe}: resources.training.nodes: {launch.nodes} machines need a command that runs "
            f"another one on each of them. Set {ON_EACH_NODE} to it, such as 'srun --nodes={launch.nodes} "
            "--ntasks-per-node=1'."
        )
    return replace(launch, on_each_node=tuple(words))


def _endpoint_problems(places: Places, recipe: Recipe) -> Iterator[str]:
    """What only the call layer can judge, such as a budget without a price."""
    for place, table in endpoints_of(recipe):
        try:
            endpoint_of(table)
        except BadInput as error:
            yield from (f"{places.recipe}: {place}: {problem}" for problem in error.problems)


def _trainings(cell: Cell) -> Iterator[tuple[str, str]]:
    """The keys of a cell's trainings with their names; each trial of a tuned method has one."""
    name, end = f"{cell.method}.{cell.replicate}", cell.ends.get("adapter")
    if end is None:
        return
    if end.stage == "adapter":
        yield end.key, name
    for role, task in end.inputs.items():
        if task.stage == "adapter":
            yield task.key, f"{name}.{role.replace('adapter', 'trial')}"


def _split_problem(recipe: Recipe, name: str, processes: int) -> str | None:
    method = recipe.methods[name]
    training, loss = recipe.training_of(method), recipe.loss_of(method)
    return split_problem(
        training.pairs_per_step,
        training.micro_batch,
        training.batching,
        "running" in loss.needs,
        processes,
        training.prompts_per_step,
    )
