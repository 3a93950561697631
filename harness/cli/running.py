"""`harness run`, `plan` and `check`: what is done with a recipe."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.options import Boards, Recipe, Store, output_of
from harness.errors import INTERRUPTED


def _terminate(signum: int, frame: object) -> None:
    """SIGTERM, as batch systems send it: stop the workers and put the terminal right on the way out."""
    typer.echo(INTERRUPTED, err=True)
    sys.exit(128 + signum)


def run(  # noqa: PLR0913 - an argument for each option
    context: typer.Context,
    recipe: Recipe,
    store: Store = None,
    boards: Boards = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Worker processes, one thread each. The results do not depend on it.")
    ] = min(2, os.cpu_count() or 1),
    report_to: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            envvar="HARNESS_REPORT_TO",
            help="Where each training step is logged: tensorboard, wandb, mlflow, trackio or none. "
            "Default: tensorboard where it is installed. Changes no result.",
            metavar="TRACKER",
        ),
    ] = None,
    train_processes: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1,
            help="Processes that share each training. Default: what the recipe's [resources.training] says, "
            "else 1. The results do not depend on it.",
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="Who does the tasks: local (processes here) or ray (a cluster).")
    ] = "local",
    address: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="With --engine ray: the cluster's address, such as auto or ray-head:6379. Default: one of "
            "--jobs workers on this machine, for this run.",
            metavar="ADDRESS",
        ),
    ] = None,
    energy: Annotated[
        bool, typer.Option("--energy", help="Read the machine's energy counters too (extra 'energy').")
    ] = False,
) -> None:
    """Train and measure every method, then write the leaderboard.

    What the store already holds is not done again: after an interruption, or with a method added, the same
    command goes on, a long training from its last checkpoint. Exit code 0: all done; 1: some tasks failed;
    2: the recipe or an option is wrong; 130: interrupted.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        from harness.commands.places import places_of
        from harness.commands.run import run as run_recipe
        from harness.commands.workers import Workers

        places, workers = places_of(recipe, store, boards), Workers(jobs, engine, address)
        run_recipe(places, workers, output_of(context), report_to, train_processes, energy)
    except KeyboardInterrupt:
        typer.echo(INTERRUPTED, err=True)
        raise typer.Exit(130) from None


def plan(  # noqa: PLR0913 - an argument for each option
    context: typer.Context,
    recipe: Recipe,
    store: Store = None,
    boards: Boards = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes to plan for.")] = min(
        2, os.cpu_count() or 1
    ),
    parameters: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Parameters of the base model, such as 8e9. Default: by its weights or its name."),
    ] = None,
    throughput: Annotated[
        str, typer.Option(help="h100, a100, l40s, rtx4090, or FLOPs a second such as 2e14.")
    ] = "h100",
    gpu_usd: Annotated[float, typer.Option(min=0, help="Dollars for an hour of a GPU, such as 2.5.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as one JSON object.")] = False,
) -> None:
    """Show what a run would do, and what it would cost.

    Tasks by stage, what is stored, time and judge calls; also the smallest difference between two methods
    that the evaluation can detect. JSON has recipe, tasks, stages, methods, tuning, head_to_head, costs,
    to_run, jobs, seconds, seconds_basis and detectable; what a recipe has none of, or nothing tells, is null.
    """
    from harness.commands.costs import Stated
    from harness.commands.places import places_of
    from harness.commands.plan import show_plan

    stated = Stated(parameters, throughput, gpu_usd)
    show_plan(places_of(recipe, store, boards), jobs, output_of(context), stated, as_json)


def check(
    recipes: Annotated[list[Path], typer.Argument(help="Recipes to check.", metavar="RECIPE...")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, right or not.")] = False,
) -> None:
    """Check recipes without running them.

    Every problem of every recipe at once, one sentence each. JSON has recipe, problems, methods and
    replicates of each.
    """
    from harness.commands.check import check as check_recipes

    for line in check_recipes(recipes, as_json):
        typer.echo(line)
