"""A project with the smoke recipe, run through the real command line, and what its store and board hold."""

import json
import re
import shutil
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from harness.plan.build import build_plan
from harness.recipe.load import load_recipe

ROOT = Path(__file__).parents[1]
HARNESS = Path(sys.executable).with_name("harness")
MEASURED = {"cost", "overhead", "pareto"}
"""What a row says of time; everything else must come out the same each time."""


def harness(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a project folder; a run has one worker unless it names another number."""
    one = ["--jobs", "1"] if words[0] == "run" else []  # tests have a core each
    return subprocess.run(
        [HARNESS, words[0], *one, *words[1:]], cwd=folder, capture_output=True, text=True, check=False
    )


def make_project(folder: Path) -> Path:
    (folder / "recipes").mkdir(parents=True)
    shutil.copy(ROOT / "recipes" / "smoke.toml", folder / "recipes")
    return folder


def table(project: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project / "leaderboards" / "smoke" / "table.json").read_text())
    return content


def results(project: Path) -> list[dict[str, Any]]:
    """The board's rows without their costs."""
    return [
        {key: value for key, value in row.items() if key not in MEASURED} for row in table(project)["rows"]
    ]


def measured(project: Path, board: str) -> dict[str, Any]:
    """What each record of a board measured, by file name."""
    folder = project / "leaderboards" / board / "records"
    read = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    return {name: [record[key] for key in ("items", "training", "pairs")] for name, record in read.items()}


def counts(project: Path) -> dict[str, dict[str, float]]:
    """Method -> what it cost alone, but for what clocks and the machine's memory say."""
    return {
        row["method"]: {
            field: value
            for field, value in row["cost"]["alone"].items()
            if not field.endswith("_s") and field != "peak_memory_bytes"
        }
        for row in table(project)["rows"]
    }


def records(project: Path) -> dict[str, bytes]:
    """The record files."""
    folder = project / "leaderboards" / "smoke" / "records"
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


def stored(project: Path) -> dict[str, float]:
    """Every artifact's manifest and when it was written."""
    return {
        path.parent.relative_to(project).as_posix(): path.stat().st_mtime
        for path in (project / ".harness").glob("*/*/manifest.json")
    }


def second_replicate(project: Path) -> set[str]:
    """The artifacts (stage/key) that nothing but the second replicate rests on."""
    cells = build_plan(load_recipe(project / "recipes" / "smoke.toml")).cells
    one, two = (
        {f"{task.stage}/{task.key}" for cell in cells if cell.replicate == n for task in cell.tasks}
        for n in (0, 1)
    )
    return two - one


def heed_interrupts() -> None:
    """A shell starts background jobs deaf to Ctrl-C; a user at a terminal is not in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(project: Path, recipe: str) -> subprocess.Popen[str]:
    """Begin a run with one worker."""
    return subprocess.Popen(
        [str(HARNESS), "run", recipe, "--jobs", "1"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def until_done(run: subprocess.Popen[str], tasks: int) -> None:
    """Read on until so many tasks have been told to be done."""
    assert run.stdout is not None
    told = (line for line in run.stdout if re.match(r" *\d+/\d+ ", line))
    assert len(list(islice(told, tasks))) == tasks
