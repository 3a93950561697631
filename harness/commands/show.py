"""`harness show`: a method's outputs beside the baseline's, with the judge's verdicts."""

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


def show_outputs(places: Places, method: str, replicate: int | None, count: int, console: Console) -> None:
    """Print the first sample of the first prompts, for the method and for the recipe's baseline.

    Raises:
        BadInput: if the recipe has no such method or replicate.
        StoreError: if the outputs are not in the store yet.
    """
    recipe, cells = chosen_cells(places, method, replicate)
    store = LocalStore(places.store)
    rows = [_Outputs(name, cells[name], store, places) for name in dict.fromkeys((recipe.baseline, method))]
    for prompt in rows[0].prompts[:count]:
        console.print(_comparison(prompt, rows))


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


def _comparison(prompt: Prompt, rows: list[_Outputs]) -> Table:
    table = Table(title=_text(prompt.transcript), title_justify="left", title_style="bold", show_header=False)
    table.add_row("reference", _text(rows[0].references[prompt.id]), "")
    for row in rows:
        words = verdict(row.verdicts[prompt.id][0])
        table.add_row(_text(row.name), _text(row.texts[prompt.id]), words)
    return table


def _text(text: str) -> Text:
    """What a model or a recipe says, shown as it is."""
    return Text(harmless(text))
