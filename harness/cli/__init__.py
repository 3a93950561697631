"""The command line. Each command calls one function of `harness.commands`, imported when it is called."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import harness
from harness.cli import imports, store
from harness.cli.around import doctor, export, prefetch
from harness.cli.boards import compare, leaderboard, plot
from harness.cli.looking import methods, pool, schema, show
from harness.cli.running import check, plan, run
from harness.errors import HarnessError

OWN = ("-q", "--quiet", "-v", "--verbose")


class _Anywhere(TyperGroup):
    """Takes the program's own options after the command, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        own = [word for word in args[:end] if word in OWN]
        rest = [word for word in args[:end] if word not in OWN]
        return super().parse_args(ctx, [*own, *rest, *args[end:]])


app = typer.Typer(
    name="harness",
    cls=_Anywhere,
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
    """Options of the program itself."""


for _command in (
    run, plan, check, leaderboard, plot, compare, methods, show, pool, doctor, prefetch, export, schema,
):  # fmt: skip
    app.command()(_command)
app.add_typer(store.app, name="store")
app.add_typer(imports.app, name="import")


def run_app() -> None:
    """Run a command: errors that a user can mend are sentences on stderr, never tracebacks."""
    try:
        app()
    except HarnessError as error:
        from harness.commands.words import harmless

        typer.echo(harmless(str(error)), err=True)
        sys.exit(error.exit_code)
