"""What several commands take, and where their lines go."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from harness.commands.output import Output

Recipe = Annotated[Path, typer.Argument(help="A recipe, for example recipes/bpo.toml.", metavar="RECIPE")]
Method = Annotated[str, typer.Argument(help="A method of the recipe.")]
Replicate = Annotated[
    Optional[int],  # noqa: UP045 - typer reads this form on every Python
    typer.Option(help="Which replicate. Default: the recipe's first."),
]
Store = Annotated[
    Optional[Path],  # noqa: UP045
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


def result_console() -> "Console":
    """For commands that show nothing but their result."""
    from harness.commands.output import make_output

    return make_output().result


def output_of(context: typer.Context) -> "Output":
    """Where the lines of a command go, by the program's own options."""
    from harness.commands.output import make_output

    given = context.find_root().params
    return make_output(given["quiet"], given["verbose"])
