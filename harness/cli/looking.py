"""`harness methods`, `show`, `pool` and `schema`: what there is, shown."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.options import Method, Recipe, Replicate, Store, result_console


def methods(
    as_json: Annotated[bool, typer.Option("--json", help="Print them as one JSON object.")] = False,
) -> None:
    """List the kinds of breadth, depth, pairing and loss.

    Each with one line and its source. JSON has a list for each of the four, of kind, line and needs (of a
    loss).
    """
    from harness.commands.methods import show_methods

    show_methods(result_console(), as_json)


def show(
    recipe: Recipe,
    method: Method,
    store: Store = None,
    replicate: Replicate = None,
    count: Annotated[int, typer.Option(min=1, help="How many prompts to show.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as one JSON object.")] = False,
) -> None:
    """Show a method's outputs beside the baseline's.

    With the judge's verdicts. JSON has recipe, method, baseline, replicate and prompts; each prompt has id,
    prompt, reference and outputs, and each output method, text, preference (from 1: the reference is better,
    to 2: the output is; null: no verdict) and verdict, the same in words.
    """
    from harness.commands.places import places_of
    from harness.commands.show import show_outputs

    show_outputs(places_of(recipe, store), method, replicate, count, result_console(), as_json)


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

    show_pool(places_of(recipe), picture, result_console())


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
