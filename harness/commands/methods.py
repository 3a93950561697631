"""`harness methods`: what a method can be made of."""

import json
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from harness.recipe.losses import needs_in_words
from harness.recipe.schema import KINDS, kind_of

NOTATION = (
    "  w: chosen, l: rejected; p: the policy's probability; r: log-ratio of policy to reference;\n"
    "  h = r_w - r_l; |.|: tokens; NLL: -log p / |.|; e: label_smoothing. Last column: what a loss needs."
)


@dataclass(frozen=True)
class Kind:
    """A kind by the name that a recipe gives it, its line and source, and what it needs if it is a loss."""

    kind: str
    line: str
    needs: str | None


def show_methods(console: Console, as_json: bool = False) -> None:
    """Print every kind with its line and source; with `as_json` one object, part -> its kinds."""
    kinds = _kinds()
    if as_json:
        plain = {part: [asdict(kind) for kind in found] for part, found in kinds.items()}
        console.out(json.dumps(plain, indent=1), highlight=False)
        return
    for part, found in kinds.items():
        table = Table(
            title=part, title_justify="left", show_header=False, box=None, padding=(0, 2), title_style="bold"
        )
        for kind in found:
            table.add_row(kind.kind, kind.line, *([kind.needs] if kind.needs else []))
        console.print(table)
        if part == "loss":
            console.print(NOTATION, highlight=False)
        console.print()
    console.print("A method is one of each, for example:", highlight=False)
    console.print('  depth = { kind = "gradient-clusters", clusters = 16, prefer = "near" }', highlight=False)


def _kinds() -> dict[str, list[Kind]]:
    """By part of a method; the classes' docstrings are the lines."""
    return {
        part: [
            Kind(
                kind_of(variant),
                (variant.__doc__ or "").partition("\n")[0],
                needs_in_words(variant) if part == "loss" else None,
            )
            for variant in variants
        ]
        for part, variants in KINDS.items()
    }
