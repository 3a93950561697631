"""`harness prefetch`: fetch all that a recipe needs from the hub, so that its run needs no network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.commands.inputs import files_of
from harness.commands.places import Places
from harness.commands.stored import dataset_of, has_data, has_model
from harness.data import hub as datasets
from harness.errors import BadInput
from harness.models import hub as models
from harness.recipe.evaluation import LmEval
from harness.recipe.load import load_recipe
from harness.recipe.needs import HubData, HubModel, Needs, needs_of
from harness.store.keys import digest, file_digest


@dataclass(frozen=True)
class Item:
    """Something of the hub: how to tell that it is here, and how to fetch it, which gives its files."""

    what: str
    is_here: Callable[[], bool]
    fetch: Callable[[], Iterable[Path]]


def prefetch(places: Places, console: Console) -> None:
    """Fetch what a recipe needs and print it with sizes and hashes; what fails stops nothing else.

    Raises:
        BadInput: with one sentence for each thing that the hub did not give, and for each local file that is
            not there.
    """
    recipe = load_recipe(places.recipe)
    items = list(items_of(needs_of(recipe), places))
    problems = fetch_all(items, models.access(), console) if items else []
    try:
        files_of(recipe, places)
    except BadInput as error:
        problems += error.problems
    if problems:
        raise BadInput(problems)
    console.print(
        "All that the recipe needs is here: its run needs no network."
        if items
        else "The recipe needs nothing from the hub."
    )


def items_of(needs: Needs, places: Places) -> Iterator[Item]:
    """Everything to fetch; what several parts of a recipe need, once."""
    for model in needs.models:
        yield Item(model.what, partial(has_model, model), partial(_model, model))
    for data in needs.data:
        yield Item(data.what, partial(has_data, data), partial(_data, data))
        if data.file is not None:
            yield Item("figures of AlpacaEval's length control", lambda: False, _length_control)
    if needs.tasks is not None:
        names = f"tasks {', '.join(needs.tasks.tasks)}"
        yield Item(names, lambda: False, partial(_tasks, needs.tasks, places))


def fetch_all(items: Sequence[Item], access: models.Access, console: Console) -> list[str]:
    """Fetch and print each; a sentence for each that fails, or one where the hub cannot be asked."""
    if not access.answers:
        lacking = [item.what for item in items if not item.is_here()]
        if not lacking:
            return []
        reason = "HF_HUB_OFFLINE is set" if access.offline else f"{access.endpoint} does not answer"
        return [
            f"The hub cannot be asked: {reason}. As far as can be told, this machine lacks: "
            f"{'; '.join(lacking)}. Run the command again where there is a network, with the same HF_HOME."
        ]
    table = Table("what", "files", "GB", "sha256", title="from the hub", title_justify="left")
    problems: list[str] = []
    for item in items:
        try:
            with console.status(escape(item.what)):
                table.add_row(escape(item.what), *_cells(sorted(item.fetch())))
        except BadInput as error:
            problems += error.problems
    if table.row_count:
        console.print(table)
    return problems


def _cells(files: list[Path]) -> tuple[str, str, str]:
    """How many, how large, and a hash: of the one file, or of the names and hashes of all."""
    if not files:
        return "-", "-", "-"
    size = sum(file.stat().st_size for file in files)
    hashes = {file.name: file_digest(file) for file in files}
    whole = hashes[files[0].name] if len(files) == 1 else digest(hashes)
    return str(len(files)), f"{size / 1e9:.3f}", whole


def _model(model: HubModel) -> list[Path]:
    return models.weight_files(models.fetch(model.name, model.revision))


def _data(data: HubData) -> list[Path]:
    if data.file is not None:
        return [datasets.fetched_file(data.name, data.file, data.revision)]
    return datasets.fetch(dataset_of(data))


def _length_control() -> list[Path]:
    from harness.evaluation.alpaca_eval_official import fetch_length_control

    return [fetch_length_control()]


def _tasks(table: LmEval, places: Places) -> list[Path]:
    """lm-eval keeps its data itself, in the cache of `datasets`."""
    from harness.evaluation.lm_eval import fetch_tasks

    try:
        fetch_tasks(table.tasks, places.data / table.include if table.include else None)
    except ImportError as error:  # some tasks have packages of their own
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise BadInput(f"evaluation.lm_eval.tasks: {reason}. Install what the task needs.") from error
    return []
