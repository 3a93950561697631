"""lm-eval's own result files beside a board's records, for tools that read them."""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from harness.leaderboard.files import unwritable, write_whole
from harness.leaderboard.record import file_stem
from harness.plan.build import Cell
from harness.store.local import LocalStore

FOLDER = "lm_eval"
"""In a board's folder, and in an artifact of the stage."""
RESULTS = "results_*.json"


def write_results(board: Path, cells: Iterable[Cell], store: LocalStore, recorded: set[str]) -> None:
    """Copy `results_*.json` of each cell into `lm_eval/<method>.<replicate>/`; single answers stay in store.

    What lies there under a name that is not `recorded` goes. Raises BadInput where a file cannot be written.
    """
    for cell in cells:
        name, task = file_stem(cell.method, cell.replicate), cell.ends.get("lm_eval")
        if task is None or name not in recorded or not store.has(task.stage, task.key):
            continue
        there, found = board / FOLDER / name, list((store.open(task.stage, task.key) / FOLDER).glob(RESULTS))
        for path in found:
            write_whole(there / path.name, path.read_text(encoding="utf-8"))
        # not the folder: another run, which ends at the same time, may be writing into it
        for old in {path.name for path in there.glob(RESULTS)} - {path.name for path in found}:
            (there / old).unlink(missing_ok=True)
    for folder in (board / FOLDER).glob("*"):
        if folder.name not in recorded:
            _remove(folder)


def _remove(folder: Path) -> None:
    try:
        if folder.is_dir():
            with suppress(FileNotFoundError):  # another run may be removing it, too
                shutil.rmtree(folder)
    except OSError as error:
        raise unwritable(folder, error) from None
