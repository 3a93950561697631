"""`harness show`: a method's outputs beside the baseline's, with the judge's verdicts."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.commands.chosen import chosen_cells
from harness.commands.places import Places
from harness.commands.words import harmless
from harness.data.rows import Prompt, Response
from harness.errors import CorruptArtifact, StoreError
from harness.leaderboard.outputs import verdict
from harness.plan.build import Cell
from harness.store.formats import PROMPTS, RESPONSES, RESULT, read_json, read_rows
from harness.store.local import LocalStore


@dataclass(frozen=True)
class ShownOutput:
    """What one method wrote, and the judge's preference for it.

    From 1, the reference is better, to 2, the output is; None where there is no verdict.
    """

    method: str
    text: str
    preference: float | None
    verdict: str


@dataclass(frozen=True)
class ShownPrompt:
    """One prompt with the reference's response and the methods' outputs."""

    id: str
    prompt: str
    reference: str
    outputs: list[ShownOutput]


@dataclass(frozen=True)
class Shown:
    """All that `harness show` says; with `--json` under these names."""

    recipe: str
    method: str
    baseline: str
    replicate: int
    prompts: list[ShownPrompt]


def show_outputs(
    places: Places, method: str, replicate: int | None, count: int, console: Console, as_json: bool = False
) -> None:
    """Print the first sample of the first prompts, for the method and for the recipe's baseline.

    Raises:
        BadInput: if the recipe has no such method or replicate.
        StoreError: if the outputs are not in the store yet.
    """
    shown = outputs_of(places, method, replicate, count)
    if as_json:
        console.out(json.dumps(asdict(shown), indent=1, allow_nan=False), highlight=False)
        return
    for prompt in shown.prompts:
        console.print(_comparison(prompt))


def outputs_of(places: Places, method: str, replicate: int | None, count: int) -> Shown:
    """The first sample of the first `count` prompts; raises as `show_outputs` does."""
    recipe, cells = chosen_cells(places, method, replicate)
    store = LocalStore(places.store)
    rows = [_Outputs(name, cells[name], store, places) for name in dict.fromkeys((recipe.baseline, method))]
    prompts = [
        ShownPrompt(prompt.id, prompt.transcript, rows[0].references[prompt.id], list(_outputs(prompt, rows)))
        for prompt in rows[0].prompts[:count]
    ]
    return Shown(places.recipe.stem, method, recipe.baseline, cells[method].replicate, prompts)


class _Outputs:
    """One method's outputs and verdicts, from the store."""

    def __init__(self, name: str, cell: Cell, store: LocalStore, places: Places) -> None:
        self.name = name
        self._cell, self._store, self._places = cell, store, places
        self.prompts = read_rows(self._folder("held_out") / PROMPTS, Prompt)
        self.texts = self._texts("outputs")
        self.references = self._texts("reference")
        result: dict[str, Any] = read_json(self._folder("alpaca_eval") / RESULT)
        self.verdicts: dict[str, list[float | None]] = result["preferences"]

    def _folder(self, role: str) -> Path:
        task = self._cell.ends[role]
        try:
            return self._store.open(task.stage, task.key)
        except CorruptArtifact as error:
            there = self._store.has(task.stage, task.key)
            what = f"changed on disk ({error})" if there else "are not there"
            raise StoreError(
                f"{self._places.store}: the outputs of '{self._cell.label}' {what}. "
                f"Run the recipe, which makes them: harness run {self._places.recipe}"
            ) from None

    def _texts(self, role: str) -> dict[str, str]:
        rows = read_rows(self._folder(role) / RESPONSES, Response)
        return {row.prompt_id: row.text for row in rows if row.index == 0}


def _outputs(prompt: Prompt, rows: list[_Outputs]) -> Iterator[ShownOutput]:
    for row in rows:
        preference = row.verdicts[prompt.id][0]
        known = preference if preference is not None and isfinite(preference) else None
        yield ShownOutput(row.name, row.texts[prompt.id], known, verdict(preference))


def _comparison(prompt: ShownPrompt) -> Table:
    table = Table(title=_text(prompt.prompt), title_justify="left", title_style="bold", show_header=False)
    table.add_row("reference", _text(prompt.reference), "")
    for output in prompt.outputs:
        table.add_row(_text(output.method), _text(output.text), output.verdict)
    return table


def _text(text: str) -> Text:
    """What a model or a recipe says, shown as it is."""
    return Text(harmless(text))
