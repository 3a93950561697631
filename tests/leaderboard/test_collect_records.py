"""Records from a store whose artifacts are written by hand: nothing is trained or sampled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.leaderboard.collect import collect
from harness.leaderboard.record import Record
from harness.metering import Cost
from harness.plan.build import Cell, build_plan
from harness.plan.task import Task
from harness.recipe.load import load_recipe
from harness.recipe.schema import Recipe
from harness.store.local import LocalStore

RECIPE = """
title = "By hand"
baseline = "sft"
[seeds]
replicates = [0]
[budget]
pairs = 2
[training]
steps = 3
learning_rate = 1e-3
[methods.sft]
[methods.random]
responses_per_prompt = 4
breadth = { kind = "random", prompts = 2 }
training = { learning_rate = 0.2 }
"""

RESPONSES = [{"prompt_id": "p", "index": index, "text": index * "x"} for index in range(2)]
FILES: dict[str, dict[str, Any]] = {
    "base_model": {"result.json": {"template": "t"}},
    "held_out": {"prompts.jsonl": [{"id": "p", "text": "Why?"}]},
    "outputs": {"responses.jsonl": RESPONSES},
    "alpaca_eval": {"result.json": {"judge": "oracle-1", "preferences": {"p": [2.0, None]}}},
    "lm_eval": {"result.json": {"items": {"atlas_facts.acc": {"f": 1.0}}}},
    "knowledge": {"result.json": {"breadth": {"f": 0.0}, "depth": {"e": 0.5}}},
    "preference": {"result.json": {"p": 1.0}},
    "pairs": {"pairs.jsonl": [{"prompt_id": "a"}, {"prompt_id": "a"}, {"prompt_id": "b"}]},
    "adapter": {
        "result.json": {"pairs": 2, "pairs_dropped": 1, "pairs_truncated": 0, "history": [0.123456789]}
    },
}
PACKAGES = {"alpaca-eval": "0.6", "lm-eval": "0.4", "transformers": "5.0", "torch": "2.0"}
USUAL: dict[str, Any] = {"commit": "aaa", "device": "cpu", "packages": PACKAGES}
Elsewhere = Mapping[str, dict[str, Any]]


def fill(store: LocalStore, task: Task, provenance: Mapping[str, Any]) -> None:
    with store.create(task.identity) as draft:
        for name, content in FILES.get(task.stage, {}).items():
            text = json.dumps(content)
            if name.endswith("l"):
                text = "".join(json.dumps(row) + "\n" for row in content)
            (draft.folder / name).write_text(text)
        draft.cost, draft.provenance = Cost(wall_s=1.0).as_dict(), provenance


def collected(folder: Path, method: str, elsewhere: Elsewhere | None = None) -> tuple[Recipe, Cell, Record]:
    """A method's record; its tasks have the usual provenance, but for the stages named in `elsewhere`."""
    path = folder / "hand.toml"
    path.write_text(RECIPE)
    recipe, store = load_recipe(path), LocalStore(folder / "store")
    (cell,) = [cell for cell in build_plan(recipe).cells if cell.method == method]
    for task in cell.tasks:
        fill(store, task, USUAL | (elsewhere or {}).get(task.stage, {}))
    return recipe, cell, collect(recipe, "hand", cell, store)


def test_a_record_holds_what_the_artifacts_say(tmp_path: Path) -> None:
    """Three pairs of two prompts, one dropped; preference 2 is a win rate of 100; texts of 0 and 1 letter."""
    _, cell, record = collected(tmp_path, "random")
    assert (record.pairs, record.prompts, record.pairs_dropped) == (2, 2, 1)
    assert record.items["alpaca_eval.win_rate"].values == [[100.0, None]]
    assert record.items["alpaca_eval.mean_length"].values == [[0.0, 1.0]]
    assert record.items["world.depth"].ids == ["e"]
    assert [task.key for task in record.tasks] == [task.key for task in cell.tasks]
    assert record.notes == ["training.learning_rate = 0.2, other than the recipe's"]
    assert record.training["history"] == [0.123457]


def test_a_record_says_what_its_recipe_holds_equal(tmp_path: Path) -> None:
    recipe, _, record = collected(tmp_path, "sft")
    assert set(record.fixed) == set(Recipe.model_fields) - {"methods", "title", "baseline", "extends"}
    assert record.fixed["budget"] == {"responses": None, "pairs": 2}
    assert record.fixed["seeds"] == {"replicates": [0], "vary": list(recipe.seeds.vary)}


def test_methods_under_the_same_conditions_are_comparable(tmp_path: Path) -> None:
    _, _, trained = collected(tmp_path, "random")
    _, _, start = collected(tmp_path, "sft")
    assert trained.comparable == start.comparable
    assert trained.comparable["device"] == "cpu"
    assert trained.comparable["backend"] == "transformers 5.0, torch 2.0"
    assert (trained.provenance, trained.fixed) == (USUAL, start.fixed)


def test_a_row_states_every_device_version_and_commit_that_it_rests_on(tmp_path: Path) -> None:
    """Only the adapter was trained elsewhere; the evaluators' versions there have judged nothing."""
    newer = PACKAGES | {"torch": "2.1", "lm-eval": "0.5"}
    elsewhere = {"adapter": {"commit": "bbb", "device": "NVIDIA H200", "packages": newer}}
    _, _, record = collected(tmp_path, "random", elsewhere)
    assert record.comparable["device"] == "NVIDIA H200 / cpu"
    assert record.comparable["backend"] == "transformers 5.0, torch 2.0 / 2.1"
    assert record.comparable["evaluators"] == "alpaca-eval 0.6, lm-eval 0.4"
    assert record.provenance["commit"] == ["aaa", "bbb"]
    assert record.provenance["packages"]["torch"] == ["2.0", "2.1"]


@pytest.mark.parametrize("stage", ["lm_eval", "outputs"])
def test_an_evaluator_that_changed_between_tasks_shows(tmp_path: Path, stage: str) -> None:
    elsewhere = {stage: {"packages": PACKAGES | {"lm-eval": "0.5"}}}
    _, _, record = collected(tmp_path, "sft", elsewhere)
    assert record.comparable["evaluators"] == "alpaca-eval 0.6, lm-eval 0.4 / 0.5"
