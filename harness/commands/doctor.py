"""`harness doctor`: what this machine has, and what given recipes need and lack."""

import os
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.commands.findings import Finding, There, findings_of, memory_finding
from harness.commands.machine import (
    Device,
    device,
    gpu_count,
    hub_findings,
    import_findings,
    installed,
    machine_findings,
    package_findings,
)
from harness.commands.places import Places
from harness.commands.sizes import judge_sizes, policy_size
from harness.commands.stored import has_data, has_model
from harness.commands.words import counted
from harness.models.hub import access
from harness.plan.draw import DataFile
from harness.plan.memory import least_bytes
from harness.recipe.data import local_files
from harness.recipe.load import load_recipe
from harness.recipe.model import AtlasModel
from harness.recipe.needs import needs_of
from harness.recipe.schema import Recipe


def doctor(recipes: Sequence[Places], store: Places, deep: bool, console: Console) -> bool:
    """Print what is there and what is lacking, with a remedy for each; whether nothing is lacking.

    Args:
        recipes: those to look at.
        store: where the store is, whose disk is looked at.
        deep: import the heavy packages, too.
        console: where to print.

    Raises:
        BadInput: a recipe is wrong.
    """
    found = device()
    shown = [
        ("machine", [*machine_findings(found, gpu_count(), store.store), *hub_findings(access())]),
        ("packages", [*package_findings(), *(import_findings() if deep else ())]),
        *((str(places.recipe), list(_recipe_findings(places, found))) for places in recipes),
    ]
    for title, findings in shown:
        console.print(_table(title, findings))
    lacking = sum(each.remedy is not None for _, findings in shown for each in findings)
    console.print(f"{counted(lacking, 'thing')} lacking." if lacking else "Nothing is lacking.")
    return not lacking


def _table(title: str, findings: Iterable[Finding]) -> Table:
    table = Table(title=escape(title), title_justify="left", show_header=False)
    table.add_column(overflow="fold")
    for each in findings:
        remedy = f"[red]lacking.[/red] {escape(each.remedy)}" if each.remedy else "ok"
        table.add_row(escape(each.what), escape(each.state), remedy)
    return table


def _recipe_findings(places: Places, found: Device) -> Iterator[Finding]:
    recipe = load_recipe(places.recipe)
    there = There(
        model=has_model,
        data=has_data,
        file=lambda name: (places.data / name).exists(),
        key=lambda name: bool(os.environ.get(name)),
        package=lambda name: installed(name) is not None,
        gpu=found.gpu,
    )
    yield from findings_of(needs_of(recipe), there)
    if not isinstance(recipe.model, AtlasModel):
        yield memory_finding(_least(recipe, places), found.memory, found.gpu)


def _least(recipe: Recipe, places: Places) -> float:
    files = {name: DataFile(places.data / name, "") for _, name in local_files(recipe)}
    return least_bytes(recipe, judge_sizes(recipe, files) | {"": policy_size(recipe, files).parameters})
