"""A small pool on the tiny model, and stages run on it as the engine runs them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.rows import Prompt, Response, Score
from harness.metering import Cost, Meter
from harness.recipe.features import Gradients
from harness.stages.job import Job
from harness.store.formats import write_rows
from harness.store.keys import Identity
from harness.store.local import LocalStore

SETTINGS = Gradients(rank=4, dim=64)


def write_pool(folder: Path, prompts: int = 12, per_prompt: int = 4) -> dict[str, Path]:
    """Prompts of 1 to 4 words, responses of 1 to 9, in three folders."""
    rng = np.random.default_rng(0)

    def words(most: int) -> str:
        return " ".join(f"w{number}" for number in rng.integers(0, 54, rng.integers(1, most + 1)))

    inputs = {name: folder / name for name in ("prompts", "responses", "scores")}
    for path in inputs.values():
        path.mkdir(parents=True)
    write_rows(
        inputs["prompts"] / "prompts.jsonl", [Prompt(f"p{index}", words(4)) for index in range(prompts)]
    )
    rows = [
        Response(f"p{index}", at, words(9), 5, at % 3 > 0)
        for index in range(prompts)
        for at in range(per_prompt)
    ]
    write_responses(inputs, rows)
    scores = [Score(row.prompt_id, row.index, float(rng.normal())) for row in rows]
    write_rows(inputs["scores"] / "scores.jsonl", scores)
    return inputs


def write_responses(inputs: Mapping[str, Path], rows: list[Response]) -> None:
    write_rows(inputs["responses"] / "responses.jsonl", rows)


@dataclass(frozen=True)
class Done:
    """An artifact's folder, what it cost, and how many verdicts it lacks."""

    folder: Path
    cost: Cost
    missing: int = 0


def run_stage(
    root: Path,
    run: Callable[[Job], int | None],
    params: Mapping[str, Any],
    inputs: Mapping[str, Path],
    knobs: Mapping[str, Any] | None = None,
    journal: Path | None = None,
) -> Done:
    """Run a stage against a store of its own at `root`; an artifact under the same root goes on."""
    store = LocalStore(root)
    store.prepare()
    identity = Identity("stage", "key", 1, {}, {})
    with store.create(identity) as draft, Meter() as meter:
        job = Job(
            params,
            inputs,
            draft.folder,
            meter,
            lambda *_: None,
            lambda: draft.scratch,
            knobs=knobs or {},
            journal=journal,
        )
        missing = run(job) or 0
    return Done(store.open("stage", "key"), meter.cost, missing)


def gradient_params(**changes: Any) -> dict[str, Any]:
    """Parameters of a gradients task, as the plan gives them."""
    table = SETTINGS.model_copy(update=changes).model_dump(mode="json")
    return table | ({"loss": {"kind": "dpo", "beta": 0.3}} if table["at"] == "warmup" else {})
