"""Records from a store whose artifacts are written by hand: nothing is trained or sampled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.leaderboard.artifacts import Artifacts
from harness.leaderboard.collect import collect
from harness.leaderboard.cost import cost_alone, cost_by_stage
from harness.leaderboard.record import Record
from harness.metering import Cost
from harness.plan.build import Cell, build_plan
from harness.plan.draw import DataFile
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


def collected(
    folder: Path, method: str, elsewhere: Elsewhere | None = None, text: str = RECIPE
) -> tuple[Recipe, Cell, Record]:
    """A method's record; its tasks have the usual provenance, but for the stages named in `elsewhere`."""
    path = folder / "hand.toml"
    path.write_text(text)
    recipe, store = load_recipe(path), LocalStore(folder / "store")
    (cell,) = [cell for cell in build_plan(recipe).cells if cell.method == method]
    for task in [task for task in cell.tasks if not store.has(task.stage, task.key)]:
        fill(store, task, USUAL | (elsewhere or {}).get(task.stage, {}))
    return recipe, cell, collect(recipe, "hand", cell, Artifacts(store))


def test_a_record_holds_what_the_artifacts_say(tmp_path: Path) -> None:
    """Three pairs of two prompts, one dropped; preference 2 is a win rate of 100; texts of 0 and 1 letter."""
    _, cell, record = collected(tmp_path, "random")
    assert (record.pairs, record.prompts, record.pairs_dropped) == (2, 2, 1)
    assert record.items["alpaca_eval.win_rate"].values == [[100.0, None]]
    assert record.items["alpaca_eval.mean_length"].values == [[0.0, 1.0]]
    assert record.items["alpaca_eval.reference_length"].values == [[0.0, 1.0]]
    assert record.items["world.depth"].ids == ["e"]
    assert [task.key for task in record.tasks] == [task.key for task in cell.tasks]
    assert record.notes == ["training.learning_rate = 0.2, other than the recipe's"]
    assert record.training["history"] == [0.123457]


def test_pairs_that_could_not_be_chosen_are_counted_and_noted_by_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,200 and 3 beside the pairs, and one that the training dropped."""
    left_out = {"the prompt fills max_length": 1200, "the chosen response is empty": 3}
    monkeypatch.setitem(FILES, "pairs", FILES["pairs"] | {"left_out.json": left_out})
    _, _, record = collected(tmp_path, "random")
    assert (record.pairs, record.pairs_dropped) == (2, 1204)
    assert record.notes[1:] == [
        "1,200 candidate pairs left out: the prompt fills max_length",
        "3 candidate pairs left out: the chosen response is empty",
    ]
    _, _, start = collected(tmp_path, "sft")
    assert (start.pairs_dropped, start.notes) == (0, [])


def test_a_score_that_is_no_number_is_a_missing_judgment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stage, log in {
        "alpaca_eval": {"judge": "oracle-1", "preferences": {"p": [float("nan"), 2.0]}},
        "lm_eval": {"items": {"atlas_facts.acc": {"f": float("inf")}}},
    }.items():
        monkeypatch.setitem(FILES, stage, {"result.json": log})
    _, _, record = collected(tmp_path, "random")
    assert record.items["alpaca_eval.win_rate"].values == [[None, 100.0]]
    assert record.items["lm_eval.atlas_facts.acc"].values == [[None]]
    assert record.samples[0].preference is None


def test_a_record_says_what_its_recipe_holds_equal(tmp_path: Path) -> None:
    recipe, _, record = collected(tmp_path, "sft")
    absent = {"methods", "title", "baseline", "extends", "tuning", "resources"}
    assert set(record.fixed) == set(Recipe.model_fields) - absent
    assert record.fixed["budget"] == {"responses": None, "pairs": 2}
    assert record.fixed["seeds"] == {"replicates": [0], "vary": list(recipe.seeds.vary)}


def test_a_record_says_what_the_files_of_its_recipe_held(tmp_path: Path) -> None:
    recipe, cell, without = collected(tmp_path, "sft")
    artifacts = Artifacts(LocalStore(tmp_path / "store"))
    files = {"pool.jsonl": DataFile(Path("/data/pool.jsonl"), "sha")}
    assert without.files == {}
    assert collect(recipe, "hand", cell, artifacts, files).files == {"pool.jsonl": "sha"}


TUNED = RECIPE.replace("training = { learning_rate = 0.2 }", "").replace(
    "[methods.sft]", "[tuning]\ntrials = 2\nspace = { beta = [0.1, 0.5] }\n[methods.sft]"
)


def test_a_tuned_row_says_what_was_chosen_and_pays_for_every_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every task took 1 s. The pair's side: prompts, breadth, responses, scores, pairs, logprobs. Two trials:
    validation prompts, the start's responses to them, two trainings, two trials, the choice. 13 s.
    """
    trials = [{"settings": {"beta": beta}, "win_rate": 50.0} for beta in (0.1, 0.5)]
    log = {"tuning": {"prompts": 64, "chosen": 1, "trials": trials}, "flags": ["collapse: all is lost"]}
    monkeypatch.setitem(FILES, "tuned", {"result.json": log})
    _, _, record = collected(tmp_path, "random", text=TUNED)
    assert record.notes == ["tuned: beta = 0.5 (best of 2 on 64 validation prompts)", "collapse: all is lost"]
    assert cost_alone([record]).wall_s == 13
    assert {stage: cost.wall_s for stage, cost in cost_by_stage([record]).items()} == {
        "prompts": 1, "breadth": 1, "responses": 2, "scores": 1, "pairs": 1, "logprobs": 1, "adapter": 2,
        "validation": 1, "trial": 2, "tuned": 1,
    }  # fmt: skip
    assert record.fixed["tuning"]["space"] == {"beta": [0.1, 0.5]}
    assert record.training["tuning"]["chosen"] == 1


@pytest.mark.parametrize(("letters", "noted"), [(4, False), (5, True)])
def test_outputs_that_are_much_longer_than_the_references_are_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letters: int, noted: bool
) -> None:
    """Both roles read an `outputs` task; the policy's, which rests on an adapter, gets longer texts.
    The reference's texts of 0 and 4 letters have 2 in the mean: 4 is twice as long, 5 is more.
    """
    rows = {"reference": ["", "xxxx"], "outputs": ["x" * letters] * 2}

    def filled(store: LocalStore, task: Task, provenance: Mapping[str, Any]) -> None:
        role = "outputs" if "adapter" in task.inputs else "reference"
        texts = [{"prompt_id": "p", "index": at, "text": text} for at, text in enumerate(rows[role])]
        monkeypatch.setitem(FILES, "outputs", {"responses.jsonl": texts})
        by_hand(store, task, provenance)

    by_hand = fill
    monkeypatch.setitem(globals(), "fill", filled)
    _, _, record = collected(tmp_path, "random")
    note = "length exploded: 5 characters in the mean, the reference's outputs 2"
    assert record.notes[1:] == ([note] if noted else [])


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


VERSUS = RECIPE.replace("[methods.sft]", "[evaluation]\nhead_to_head = true\n[methods.sft]")


def versus(folder: Path, made: bool) -> dict[str, Record]:
    """Both methods' records; their comparison is in the store if it was made."""
    path = folder / "hand.toml"
    path.write_text(VERSUS)
    recipe, store = load_recipe(path), LocalStore(folder / "store")
    plan = build_plan(recipe)
    for task in plan.tasks:
        if made or task.stage != "head_to_head":
            fill(store, task, USUAL)
    artifacts = Artifacts(store)
    return {cell.method: collect(recipe, "hand", cell, artifacts) for cell in plan.cells}


def test_both_sides_of_a_comparison_have_it_in_their_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Preferences 2 and 1.5 of three: 75 points for one side, 25 for the other; charged to nobody."""
    result = {"judge": "j", "preferences": {"p": [2.0, None, 1.5], "q": [None]}, "flips": 1}
    monkeypatch.setitem(FILES, "head_to_head", {"result.json": result})
    records = versus(tmp_path, made=True)
    sides = [records["sft"].head_to_head, records["random"].head_to_head]
    assert sides[0] is not None
    assert sides[1] is not None
    (mine,), (theirs,) = sides[0].values.values(), sides[1].values.values()
    assert {mine[0], theirs[0]} == {25.0, 75.0}
    assert (mine[1], theirs[1]) == (None, None)
    assert sides[0].missing == {"random": 2}
    assert sides[0].flips == {"random": 1}
    assert records["sft"].comparable["head-to-head judge"] == "j"
    assert cost_alone([records["sft"]]).wall_s == 0
    assert [task.role for task in records["sft"].tasks if task.stage == "head_to_head"] == ["evaluation"]


def test_a_comparison_that_failed_takes_no_record_away(tmp_path: Path) -> None:
    records = versus(tmp_path, made=False)
    assert records["sft"].head_to_head is None
    assert records["sft"].comparable["head-to-head judge"] == "does not apply"


def test_what_sampled_is_a_condition_of_comparing(tmp_path: Path) -> None:
    _, _, record = collected(tmp_path, "sft", {"outputs": {"sampling": "vllm"}})
    assert record.comparable["sampling"] == "vllm"


@pytest.mark.parametrize("method", ["sft", "random"])
def test_costs_do_not_change_when_a_method_is_added(tmp_path: Path, method: str) -> None:
    """And come from the artifacts, whoever made them: the second record's tasks were all in the store."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, _, alone = collected(tmp_path / "a", method)
    more = RECIPE + "[methods.more]\nresponses_per_prompt = 2\n"
    _, _, beside = collected(tmp_path / "b", method, text=more)
    assert alone.tasks == beside.tasks
    assert cost_alone([alone]) == cost_alone([beside])
