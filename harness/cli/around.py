"""`harness doctor`, `prefetch` and `export`: this machine, the hub, and what others load."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.options import Method, Recipe, Replicate, Store, result_console


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
    if not look(places, here, deep, result_console()):
        raise typer.Exit(1)


def prefetch(recipe: Recipe) -> None:
    """Fetch all that a recipe needs from the hub.

    Models, datasets and benchmark tasks, with their sizes and hashes; the run itself then needs no network.
    """
    from harness.commands.places import places_of
    from harness.commands.prefetch import prefetch as fetch

    fetch(places_of(recipe), result_console())


def export(
    recipe: Recipe,
    method: Method,
    to: Annotated[Path, typer.Option("--to", help="Folder to write to; empty or new.", metavar="DIR")],
    store: Store = None,
    replicate: Replicate = None,
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

    write(places_of(recipe, store), method, replicate, to, push, result_console())
