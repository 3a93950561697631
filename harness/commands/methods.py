"""`harness methods`: what a method can be made of."""

from rich.console import Console
from rich.table import Table

from harness.recipe.losses import needs_of
from harness.recipe.schema import KINDS, kind_of

NOTATION = (
    "  w: chosen, l: rejected; p: the policy's probability; r: log-ratio of policy to reference;\n"
    "  h = r_w - r_l; |.|: tokens; NLL: -log p / |.|; e: label_smoothing. Last column: what a loss needs."
)


def show_methods(console: Console) -> None:
    """Print every kind with its line and source; the classes' docstrings are the text."""
    for part, variants in KINDS.items():
        table = Table(
            title=part, title_justify="left", show_header=False, box=None, padding=(0, 2), title_style="bold"
        )
        for variant in variants:
            line = (variant.__doc__ or "").partition("\n")[0]
            table.add_row(kind_of(variant), line, *([needs_of(variant)] if part == "loss" else []))
        console.print(table)
        if part == "loss":
            console.print(NOTATION, highlight=False)
        console.print()
    console.print("A method is one of each, for example:", highlight=False)
    console.print('  depth = { kind = "gradient-clusters", clusters = 16, prefer = "near" }', highlight=False)
