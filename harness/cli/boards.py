"""`harness leaderboard`, `plot` and `compare`: what is done with records and boards."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.options import Boards, output_of, result_console


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
            help="Write nothing; exit with 1 where a file is not what the records give, its recipe is not "
            "there, it, its data or a stage has changed since, or a record lacks its provenance.",
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
    output = output_of(context)
    if serve:
        from harness.commands.serve import serve as serve_pages

        chosen = make.choose(recipes or [], boards)
        board = chosen[0].folder.name if recipes else None
        serve_pages(chosen[0].folder.parent, board, port, output)
    elif check:
        make.check(recipes or [], boards, output)
    else:
        make.leaderboard(recipes or [], boards, output, sort, as_json)


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

    Differences, quality against cost, cost by stage, breadth and depth, learning curves, all pairs, contests.
    """
    from harness.commands.plot import plot as draw

    draw(board, boards, out, output_of(context))


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

    compare_boards(before, after, fail_if or [], as_json, result_console())
