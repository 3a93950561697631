"""`harness store ...`: the commands about a store; each calls one function of `harness.commands`."""

import os
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look at the stored results, check and clear them."
)

Root = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads this form on every Python
    typer.Option(
        "--store", help="Folder of stored results. Default: HARNESS_STORE, or .harness/.", metavar="DIR"
    ),
]
Boards = Annotated[
    Path,
    typer.Option(
        "--boards", help="Folder of leaderboards, whose records say what they rest on.", metavar="DIR"
    ),
]
BOARDS = Path("leaderboards")


def _root(named: Path | None) -> Path:
    return named or Path(os.environ.get("HARNESS_STORE") or ".harness")


def _say(lines: Iterable[str]) -> None:
    """Print lines; there may be a hundred thousand, so even with PYTHONUNBUFFERED not one by one."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=sys.stdout.isatty(), write_through=False)
    sys.stdout.writelines(f"{line}\n" for line in lines)


@app.command("list")
def list_(
    store: Root = None,
    boards: Boards = BOARDS,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="A line of JSON for each: stage, key, bytes, made (seconds since 1970), boards."
        ),
    ] = False,
) -> None:
    """List the artifacts: stage/key, size, age, and the recipes whose boards rest on each."""
    from harness.commands.store import list_store

    _say(list_store(_root(store), boards, as_json))


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="An artifact's key, or how it begins.")],
    store: Root = None,
    boards: Boards = BOARDS,
) -> None:
    """Show what an artifact is, what it was made from and what it cost, and who needs it."""
    from harness.commands.store import show_artifact

    typer.echo(show_artifact(_root(store), boards, key))


@app.command()
def verify(
    store: Root = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Take damaged artifacts out; the next run makes them again.")
    ] = False,
) -> None:
    """Read every file and compare it with what was written; exit with 1 where one differs."""
    from rich.console import Console

    from harness.commands.store import verify_store

    verify_store(_root(store), discard, Console(soft_wrap=True))


@app.command()
def gc(
    recipes: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(help="Recipes whose results to keep.", metavar="[RECIPE...]"),
    ] = None,
    store: Root = None,
    boards: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--boards",
            help="Folder of leaderboards. Default: leaderboards/ here and beside the recipes' folder.",
            metavar="DIR",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also delete what boards rest on.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; else it is only said what would go.")] = False,
) -> None:
    """Delete what neither the recipes named nor any board rests on."""
    from harness.commands.garbage import collect_garbage

    _say(collect_garbage(_root(store), boards, recipes or [], force, yes))


@app.command()
def size(
    store: Root = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="One JSON object: artifacts and bytes in all and by stage; bytes of other folders."
        ),
    ] = False,
) -> None:
    """Show how many artifacts each stage has, and how large they are."""
    from harness.commands.store import size_of_store

    _say(size_of_store(_root(store), as_json))
