"""The command line. Each command calls one function of `harness.commands`, imported when it is called."""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

import harness
from harness.cli_store import app as store_app
from harness.errors import INTERRUPTED, HarnessError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="harness",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=(
        "Honest comparison of LLM preference optimisation.\n\n"
        "A recipe (TOML) declares what is held equal and the methods compared; `harness run` trains and "
        "measures each of them and writes a ranked leaderboard with intervals and costs.\n\n"
        "Start here:  harness run recipes/bpo.toml"
    ),
)
app.add_typer(store_app, name="store")

Recipe = Annotated[Path, typer.Argument(help="A recipe, for example recipes/bpo.toml.", metavar="RECIPE")]
Store = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads this form on every Python
    typer.Option(
        "--store",
        help="Folder of stored results. Default: HARNESS_STORE, or .harness/ in the recipe's project.",
        metavar="DIR",
    ),
]
Boards = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--boards", help="Folder of leaderboards. Default: leaderboards/ beside recipes/.", metavar="DIR"
    ),
]


def _console() -> "Console":
    """Rich output; where it is no terminal, wide enough that no table is cut."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=160)


def _terminate(signum: int, frame: object) -> None:
    """SIGTERM, as batch systems send it: stop the workers and put the terminal right on the way out."""
    typer.echo(INTERRUPTED, err=True)
    sys.exit(128 + signum)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"harness {harness.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the program itself."""


@app.command()
def run(
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
        int,
        typer.Option(
            min=1, help="Processes that share each training (torchrun). The results do not depend on it."
        ),
    ] = 1,
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

        run_recipe(places_of(recipe, store, boards), jobs, _console(), report_to, train_processes)
    except KeyboardInterrupt:
        typer.echo(INTERRUPTED, err=True)
        raise typer.Exit(130) from None


@app.command()
def plan(
    recipe: Recipe,
    store: Store = None,
    boards: Boards = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes to plan for.")] = min(
        2, os.cpu_count() or 1
    ),
) -> None:
    """Show what a run would do, and what it would cost.

    Tasks by stage, what is stored, time and judge calls; also the smallest difference between two methods
    that the evaluation can detect.
    """
    from harness.commands.places import places_of
    from harness.commands.plan import show_plan

    show_plan(places_of(recipe, store, boards), jobs, _console())


@app.command()
def check(
    recipes: Annotated[list[Path], typer.Argument(help="Recipes to check.", metavar="RECIPE...")],
) -> None:
    """Check recipes without running them.

    Every problem of every recipe at once, one sentence each.
    """
    from harness.commands.check import check as check_recipes

    for line in check_recipes(recipes):
        typer.echo(line)


@app.command()
def leaderboard(
    recipes: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(
            help="Recipes whose boards to make. Default: every board there is.", metavar="[RECIPE...]"
        ),
    ] = None,
    boards: Boards = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; exit with 1 where a file is not what the records give."),
    ] = False,
) -> None:
    """Make leaderboards again from their records.

    Nothing is trained or measured.
    """
    from harness.commands.leaderboard import leaderboard as make

    make(recipes or [], boards, check, _console())


@app.command()
def methods() -> None:
    """List the kinds of breadth, depth, pairing and loss.

    Each with one line and its source.
    """
    from harness.commands.methods import show_methods

    show_methods(_console())


@app.command()
def show(
    recipe: Recipe,
    method: Annotated[str, typer.Argument(help="A method of the recipe.")],
    store: Store = None,
    replicate: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Which replicate. Default: the recipe's first."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many prompts to show.")] = 5,
) -> None:
    """Show a method's outputs beside the baseline's.

    With the judge's verdicts.
    """
    from harness.commands.places import places_of
    from harness.commands.show import show_outputs

    show_outputs(places_of(recipe, store), method, replicate, count, _console())


@app.command()
def pool(
    recipe: Recipe,
    picture: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Write histograms of responses, lengths and score gaps to this file.", metavar="FILE"
        ),
    ] = None,
) -> None:
    """Show what the data of a recipe's pool hold.

    Prompts, responses, scores, lengths, duplicates, malformed rows by reason with their lines, and what they
    share with the evaluation prompts.
    """
    from harness.commands.places import places_of
    from harness.commands.pool import show_pool

    show_pool(places_of(recipe), picture, _console())


@app.command()
def schema() -> None:
    """Print the recipe's JSON Schema, for editors.

    With it they complete and check recipes.
    """
    import json

    from harness.recipe.schema import Recipe as Schema

    typer.echo(json.dumps(Schema.model_json_schema(), indent=2))


def run_app() -> None:
    """Run a command: errors that a user can mend are sentences on stderr, never tracebacks."""
    try:
        app()
    except HarnessError as error:
        from harness.commands.words import harmless

        typer.echo(harmless(str(error)), err=True)
        sys.exit(error.exit_code)
