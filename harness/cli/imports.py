"""`harness import ...`: results that were made elsewhere."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.options import Boards, result_console

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Put results that were made elsewhere on a board."
)


@app.command("alpaca-eval")
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

    make(folder, name, boards, annotator, reference, result_console())
