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

    from harness.commands.output import Output

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
    """For commands that show nothing but their result."""
    from harness.commands.output import make_output

    return make_output().result


def _output(context: typer.Context) -> "Output":
    """Where the lines of a command go, by the program's own options."""
    from harness.commands.output import make_output

    given = context.find_root().params
    return make_output(given["quiet"], given["verbose"])


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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show the result and errors only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show more lines.")] = False,
) -> None:
    """Options of the program itself, given before the command."""


@app.command()
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
        int,
        typer.Option(
            min=1, help="Processes that share each training (torchrun). The results do not depend on it."
        ),
    ] = 1,
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
        run_recipe(places, workers, _output(context), report_to, train_processes, energy)
    except KeyboardInterrupt:
        typer.echo(INTERRUPTED, err=True)
        raise typer.Exit(130) from None


@app.command()
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
) -> None:
    """Show what a run would do, and what it would cost.

    Tasks by stage, what is stored, time and judge calls; also the smallest difference between two methods
    that the evaluation can detect.
    """
    from harness.commands.costs import Stated
    from harness.commands.places import places_of
    from harness.commands.plan import show_plan

    stated = Stated(parameters, throughput, gpu_usd)
    show_plan(places_of(recipe, store, boards), jobs, _output(context), stated)


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
def leaderboard(  # noqa: PLR0913 - an argument for each option
    context: typer.Context,
    recipes: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(
            help="Recipes whose boards to make. Default: every board there is.", metavar="[RECIPE...]"
        ),
    ] = None,
    boards: Boards = None,
    every: Annotated[bool, typer.Option("--all", help="Every board there is, as without a recipe.")] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing; exit with 1 where a file is not what the records give, a recipe has changed "
            "since, or a record lacks its provenance.",
        ),
    ] = False,
    sort: Annotated[
        str, typer.Option(help="Column by which the shown table is sorted.", metavar="COLUMN")
    ] = "rank",
    as_json: Annotated[
        bool, typer.Option("--json", help="One line of JSON for each board instead of a table.")
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show the pages in a browser, from this machine to itself.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port for --serve; 0: any that is free.")] = 0,
) -> None:
    """Make leaderboards again from their records.

    Nothing is trained or measured. README.md, index.html, table.json, table.csv and table.tex are written.
    """
    from harness.commands import leaderboard as make
    from harness.errors import BadInput

    if every and recipes:
        raise BadInput("--all: makes every board, so no recipe can be given. Leave one of the two out.")
    output = _output(context)
    if serve:
        from harness.commands.serve import serve as serve_pages

        chosen = make.choose(recipes or [], boards)
        board = chosen[0].folder.name if recipes else None
        serve_pages(chosen[0].folder.parent, board, port, output)
    elif check:
        make.check(recipes or [], boards, output)
    else:
        make.leaderboard(recipes or [], boards, output, sort, as_json)


@app.command()
def plot(
    context: typer.Context,
    board: Annotated[Path, typer.Argument(help="A board's folder, or its recipe.", metavar="BOARD")],
    boards: Boards = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder to write to. Default: plots/BOARD.", metavar="DIR"),
    ] = None,
) -> None:
    """Draw a board's plots for papers, as SVG and PNG.

    Differences, quality against cost, cost by stage, breadth and depth, learning curves, all pairs.
    """
    from harness.commands.plot import plot as draw

    draw(board, boards, out, _output(context))


@app.command()
def compare(
    before: Annotated[
        str,
        typer.Argument(
            help="A board: its folder, its table.json, or REVISION:PATH of either in a git commit.",
            metavar="BEFORE",
        ),
    ],
    after: Annotated[str, typer.Argument(help="The board to compare it with.", metavar="AFTER")],
    fail_if: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="Exit with 1 where a row changed so: METRIC drops|rises N[%]. May be given again.",
            metavar="CONDITION",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every change as JSON.")] = False,
) -> None:
    """Show what got better, worse or costlier between two boards.

    Paired where both hold the same prompts and seeds. Metrics are named as in table.json, costs as
    cost.alone.flops; a condition counts only a change whose interval leaves out zero.
    """
    from harness.commands.compare import compare as compare_boards

    compare_boards(before, after, fail_if or [], as_json, _console())


imports = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Put results that were made elsewhere on a board."
)
app.add_typer(imports, name="import")


@imports.command("alpaca-eval")
def import_alpaca_eval(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder of results: MODEL/ANNOTATOR/annotations.json, or annotations.jsonl(.gz)."
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the board.", metavar="NAME")],
    boards: Boards = None,
    annotator: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Which annotator's results, where there are several.", metavar="NAME"),
    ] = None,
    reference: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="What the models were compared with, where the results do not name it.", metavar="NAME"
        ),
    ] = None,
) -> None:
    """Make a board of published AlpacaEval results.

    With intervals, ranks with ties, and length-controlled win rates of one model of all rows.
    """
    from harness.commands.imports import import_alpaca_eval as make

    make(folder, name, boards, annotator, reference, _console())


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
def doctor(
    recipes: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(help="Recipes whose needs to look for.", metavar="[RECIPE...]"),
    ] = None,
    store: Store = None,
    deep: Annotated[bool, typer.Option("--deep", help="Import the heavy packages, too.")] = False,
) -> None:
    """Show what this machine has, and what recipes need and lack.

    Packages, device, memory, disk, hub; of each recipe its models, data, files, keys and extras. Nothing is
    fetched, and no key is shown. Exit code 1: something is lacking.
    """
    from harness.commands.doctor import doctor as look
    from harness.commands.places import places_of

    places = [places_of(recipe, store) for recipe in recipes or []]
    here = places[0] if places else places_of(Path("recipes/any.toml"), store)
    if not look(places, here, deep, _console()):
        raise typer.Exit(1)


@app.command()
def prefetch(recipe: Recipe) -> None:
    """Fetch all that a recipe needs from the hub.

    Models, datasets and benchmark tasks, with their sizes and hashes; the run itself then needs no network.
    """
    from harness.commands.places import places_of
    from harness.commands.prefetch import prefetch as fetch

    fetch(places_of(recipe), _console())


@app.command()
def export(
    recipe: Recipe,
    method: Annotated[str, typer.Argument(help="A method of the recipe.")],
    to: Annotated[Path, typer.Option("--to", help="Folder to write to; empty or new.", metavar="DIR")],
    store: Store = None,
    replicate: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Which replicate. Default: the recipe's first."),
    ] = None,
    push: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Also upload it to this repository of the hub, private.", metavar="OWNER/NAME"),
    ] = None,
) -> None:
    """Write a trained method as others load it.

    An adapter in PEFT's format, or a whole model, with tokenizer and model card. Nothing leaves this machine
    without --push.
    """
    from harness.commands.export import export as write
    from harness.commands.places import places_of

    write(places_of(recipe, store), method, replicate, to, push, _console())


@app.command()
def schema(
    table: Annotated[
        bool, typer.Option("--table", help="The schema of a board's table.json instead, for programs.")
    ] = False,
) -> None:
    """Print the recipe's JSON Schema, for editors.

    With it they complete and check recipes.
    """
    from harness.commands.schema import schema_text

    typer.echo(schema_text(table))


def run_app() -> None:
    """Run a command: errors that a user can mend are sentences on stderr, never tracebacks."""
    try:
        app()
    except HarnessError as error:
        from harness.commands.words import harmless

        typer.echo(harmless(str(error)), err=True)
        sys.exit(error.exit_code)
