"""From stored artifacts to records: one for each method and replicate whose tasks are all done."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from statistics import fmean
from typing import Any

from harness.leaderboard.artifacts import Artifacts
from harness.leaderboard.contests import StoredContests, read_contests
from harness.leaderboard.groups import NOT_APPLICABLE, merged
from harness.leaderboard.record import Cost, Items, Record, Sample, TaskCost
from harness.leaderboard.render import as_plain
from harness.plan.build import NO_FILES, Cell
from harness.plan.catalog import STAGES
from harness.plan.draw import DataFile
from harness.recipe.model import RandomModel
from harness.recipe.rules import InfluenceDepth
from harness.recipe.schema import Method, Recipe
from harness.store.formats import LEFT_OUT, PAIRS, PROMPTS, RESPONSES, RESULT
from harness.store.manifest import Manifest

SHOWN = 8
LONG = 2.0
"""Outputs longer than the reference's by more than this factor, in the mean, are noted."""


def collect(
    recipe: Recipe,
    name: str,
    cell: Cell,
    artifacts: Artifacts,
    files: Mapping[str, DataFile] = NO_FILES,
) -> Record:
    """The record of one cell; `files` are those that the recipe names.

    Raises:
        CorruptArtifact: if an artifact does not match its digest.
    """
    reader = _Reader(cell, artifacts)
    method = recipe.methods[cell.method]
    training = reader.result("adapter")
    pairs, left_out = reader.rows("pairs", PAIRS), reader.left_out()
    manifests = [artifacts.manifest(task.stage, task.key) for task in cell.tasks]
    contests = read_contests(cell, artifacts)
    return Record(
        recipe=name,
        title=recipe.title,
        baseline=recipe.baseline,
        method=cell.method,
        replicate=cell.replicate,
        fixed=fixed_part(recipe),
        declared=declare(method),
        order=list(recipe.methods).index(cell.method),
        comparable=_comparable(reader, manifests) | _judges(recipe, reader, contests),
        pairs=training.get("pairs", 0),
        prompts=len({pair["prompt_id"] for pair in pairs}),
        pairs_dropped=training.get("pairs_dropped", 0) + sum(left_out.values()),
        pairs_truncated=training.get("pairs_truncated", 0),
        notes=[
            *_model_notes(recipe, reader),
            *_notes(method),
            *(f"{count:,} candidate pairs left out: {reason}" for reason, count in left_out.items()),
            *_training_notes(training),
            *_length_notes(reader),
        ],
        items=_items(reader),
        tasks=[_task_cost(manifest) for manifest in [*manifests, *contests.manifests]],
        training=as_plain(dict(training)),
        samples=_samples(reader),
        provenance=merged(manifest.provenance for manifest in manifests),
        head_to_head=contests.found,
        files={name: file.sha256 for name, file in files.items()},
    )


def declare(method: Method) -> dict[str, Any]:
    """A method's table as its recipe writes it."""
    return method.model_dump(mode="json", exclude_unset=True)


def fixed_part(recipe: Recipe) -> dict[str, Any]:
    """The tables that are the same for all methods; one that the recipe lacks is not there.

    `resources` says where the work is done, which changes no result.
    """
    tables = recipe.model_dump(mode="json", exclude={"methods", "title", "baseline", "extends", "resources"})
    return {name: table for name, table in tables.items() if table is not None}


class _Reader:
    """Reads a cell's artifacts by the role they have in it; a role that the cell lacks is empty."""

    def __init__(self, cell: Cell, artifacts: Artifacts) -> None:
        self._cell, self._artifacts = cell, artifacts

    def result(self, role: str) -> Mapping[str, Any]:
        task = self._cell.ends.get(role)
        return self._artifacts.content(task.stage, task.key, RESULT) if task else {}

    def rows(self, role: str, name: str) -> Sequence[dict[str, Any]]:
        task = self._cell.ends.get(role)
        return self._artifacts.content(task.stage, task.key, name) if task else []

    def left_out(self) -> Mapping[str, int]:
        """Reason -> how many pairs could not be chosen; where all could be, there is no such file."""
        task = self._cell.ends.get("pairs")
        if task is None or LEFT_OUT not in self._artifacts.manifest(task.stage, task.key).files:
            return {}
        found: dict[str, int] = self._artifacts.content(task.stage, task.key, LEFT_OUT)
        return found

    def key(self, role: str) -> str:
        return self._cell.ends[role].key


def _items(reader: _Reader) -> dict[str, Items]:
    """Item-level results; win rates on AlpacaEval's scale, 100 x (preference - 1)."""
    found = {
        "alpaca_eval.win_rate": {
            item: [None if value is None else 100.0 * (value - 1.0) for value in values]
            for item, values in _preferences(reader).items()
        },
        "alpaca_eval.mean_length": _lengths(reader.rows("outputs", RESPONSES)),
        "alpaca_eval.reference_length": _lengths(reader.rows("reference", RESPONSES)),
        "preference.accuracy": _single(reader.result("preference")),
    }
    official = reader.result("alpaca_eval").get("official", {})
    if official.get("rate") is not None:
        found["alpaca_eval.official_lc_win_rate"] = {"all": [official["rate"]]}
    if graded := reader.result("mt_bench").get("items"):
        found["mt_bench.grade"] = {item: [grade] for item, grade in graded.items()}
    for metric, values in reader.result("lm_eval").get("items", {}).items():
        found[f"lm_eval.{metric}"] = _single(values)
    for measure, values in reader.result("knowledge").items():
        found[f"world.{measure}"] = _single(values)
    return {
        metric: Items(ids=list(items), values=list(items.values()))
        for metric, items in found.items()
        if items
    }


def _preferences(reader: _Reader) -> dict[str, list[float | None]]:
    preferences = reader.result("alpaca_eval")["preferences"]
    return {item: [_known(value) for value in values] for item, values in preferences.items()}


def _known(value: float | None) -> float | None:
    """A value that is no number is a missing judgment: it leaves its row incomplete, and is counted."""
    return None if value is None or not isfinite(value) else float(value)


def _lengths(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """Prompt id -> characters of each response."""
    lengths: dict[str, list[float | None]] = {}
    for row in rows:
        lengths.setdefault(row["prompt_id"], []).append(float(len(row["text"])))
    return lengths


def _single(values: Mapping[str, float]) -> dict[str, list[float | None]]:
    return {item: [_known(value)] for item, value in values.items()}


def _comparable(reader: _Reader, manifests: Sequence[Manifest]) -> dict[str, str]:
    """What must be the same for two rows to be ranked together, besides the recipe's fixed part.

    Versions and device are those of every task that the row rests on, whichever run did it.
    """
    evaluation = [manifest for manifest in manifests if STAGES[manifest.stage].role == "evaluation"]
    return {
        "judge": reader.result("alpaca_eval")["judge"],
        "evaluators": f"{_versions('alpaca-eval', evaluation)}, {_versions('lm-eval', evaluation)}",
        "chat template": reader.result("base_model")["template"],
        "base model": reader.key("base_model"),
        "backend": f"{_versions('transformers', manifests)}, {_versions('torch', manifests)}",
        "device": _joined(manifest.provenance["device"] for manifest in manifests),
        "sampling": _joined(
            manifest.provenance["sampling"] for manifest in manifests if "sampling" in manifest.provenance
        ),
    }


def _judges(recipe: Recipe, reader: _Reader, contests: StoredContests) -> dict[str, str]:
    """The judges of what the recipe asks for besides the win rate."""
    asked = {}
    if recipe.evaluation.mt_bench:
        asked["MT-bench judge"] = reader.result("mt_bench").get("judge", NOT_APPLICABLE)
    if recipe.evaluation.head_to_head:
        asked["head-to-head judge"] = _joined(contests.judges)
    return asked


def _versions(package: str, manifests: Sequence[Manifest]) -> str:
    return f"{package} {_joined(manifest.provenance['packages'][package] for manifest in manifests)}"


def _joined(values: Iterable[str]) -> str:
    return " / ".join(sorted(set(values))) or NOT_APPLICABLE


def _model_notes(recipe: Recipe, reader: _Reader) -> list[str]:
    """What a reader of the board must know of the untrained start."""
    notes = [f"token lint: {sentence}" for sentence in reader.result("lint").get("warnings", [])]
    if why := reader.result("alpaca_eval").get("official", {}).get("why"):
        notes.append(f"no length-controlled rate by alpaca_eval itself: {why}")
    if isinstance(recipe.model, RandomModel):
        notes.append("the model's weights are random: the path is real, and no number here means anything")
    return notes


def _notes(method: Method) -> list[str]:
    """What a reader of the board must know of a method."""
    override = method.training.model_dump(exclude_none=True)
    notes = [f"training.{key} = {value}, other than the recipe's" for key, value in override.items()]
    if isinstance(method.depth, InfluenceDepth) and method.trains:
        notes.append(
            f"saw validation prompts: {method.depth.validation} prompts outside the pool and the evaluation "
            "guided its selection"
        )
    return notes


def _training_notes(training: Mapping[str, Any]) -> list[str]:
    """What tuning chose, and what the training itself reports."""
    notes = []
    if tuning := training.get("tuning"):
        chosen = tuning["trials"][tuning["chosen"]]["settings"]
        settings = ", ".join(f"{name} = {value}" for name, value in chosen.items())
        diverged = sum(trial["win_rate"] is None for trial in tuning["trials"])
        notes.append(
            f"tuned: {settings} (best of {len(tuning['trials'])} on {tuning['prompts']} validation prompts"
            f"{f', {diverged} diverged' if diverged else ''})"
        )
    return notes + list(training.get("flags", []))


def _length_notes(reader: _Reader) -> list[str]:
    """Outputs that are much longer than the reference's: what a judge that likes length would reward."""
    own, start = (
        fmean([len(row["text"]) for row in reader.rows(role, RESPONSES)]) for role in ("outputs", "reference")
    )
    if own <= LONG * start:
        return []
    return [f"length exploded: {own:.0f} characters in the mean, the reference's outputs {start:.0f}"]


def _task_cost(manifest: Manifest) -> TaskCost:
    return TaskCost(
        stage=manifest.stage,
        key=manifest.key,
        role=STAGES[manifest.stage].role,
        cost=Cost.model_validate(dict(manifest.cost)),
    )


def _samples(reader: _Reader) -> list[Sample]:
    """The first sample of the first few prompts, beside the reference's."""
    preferences = _preferences(reader)
    outputs = _first_texts(reader.rows("outputs", RESPONSES))
    references = _first_texts(reader.rows("reference", RESPONSES))
    return [
        Sample(
            prompt=prompt["text"],
            reference=references[prompt["id"]],
            output=outputs[prompt["id"]],
            preference=preferences[prompt["id"]][0],
        )
        for prompt in reader.rows("held_out", PROMPTS)[:SHOWN]
    ]


def _first_texts(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    return {row["prompt_id"]: row["text"] for row in rows if row["index"] == 0}
