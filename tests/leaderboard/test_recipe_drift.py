"""A board says where its recipe is another one now, and the check fails on it."""

from dataclasses import replace
from pathlib import Path

import pytest
from planned_records import planned_records
from recipe_documents import FILES, REAL
from recipe_documents import recipe as document
from synthetic_records import record

from harness.leaderboard.board import board_problems, make_board, write_board
from harness.leaderboard.collect import fixed_part
from harness.leaderboard.drift import changes
from harness.leaderboard.record import Record, write_record
from harness.plan.build import NO_FILES
from harness.plan.catalog import STAGES
from harness.plan.draw import DataFile
from harness.recipe.load import load_recipe
from harness.recipe.schema import Recipe

RECIPES = Path(__file__).parent.parent.parent / "recipes"


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe(RECIPES / "bpo.toml")


def records_of(recipe: Recipe, **changes: object) -> list[Record]:
    """Those of the first replicate."""
    return [one.model_copy(update=changes) for one in planned_records(recipe) if one.replicate == 0]


def board_of(folder: Path, records: list[Record], recipe: Recipe | None) -> Path:
    for one in records:
        write_record(folder / "records", one)
    write_board(folder, recipe)
    return folder


def test_a_recipe_that_made_the_records_changes_nothing(tmp_path: Path, recipe: Recipe) -> None:
    folder = board_of(tmp_path, records_of(recipe), recipe)
    assert board_problems(folder, recipe) == []
    assert make_board(folder, recipe) == make_board(folder, None)


def changed(recipe: Recipe) -> Recipe:
    """Other steps, a method less, one more, and one with another depth."""
    methods = {name: method for name, method in recipe.methods.items() if name != "null"}
    depth = methods["uniform-2"].depth.model_copy(update={"pairs": 3})
    methods["uniform-2"] = methods["uniform-2"].model_copy(update={"depth": depth})
    methods["new"] = methods["dpo"]
    training = recipe.training.model_copy(update={"steps": 96})
    return recipe.model_copy(update={"methods": methods, "training": training})


def test_what_has_changed_stands_on_the_board_and_fails_the_check(tmp_path: Path, recipe: Recipe) -> None:
    """The steps change what is trained with them; of `uniform-2` the pairs come first."""
    now = changed(recipe)
    folder = board_of(tmp_path, records_of(recipe), now)
    trained = sum(method.trains for name, method in recipe.methods.items() if name != "uniform-2")
    assert board_problems(folder, now) == [
        f"{folder}: of an earlier recipe: methods.uniform-2.depth.pairs: is 3 now, was 2",
        f"{folder}: of an earlier recipe: training.steps: is 96 now, was 48",
        f"{folder}: of an earlier recipe: methods.null: is not in the recipe any more",
        f"{folder}: of an earlier recipe: stage adapter: has another key now, with other settings "
        f"({trained} methods)",
        f"{folder}: of an earlier recipe: stage pairs: has another key now, with other settings (uniform-2)",
        f"{folder}: has no record of the recipe's method new",
    ]
    readme, page = (folder / "README.md").read_text(), (folder / "index.html").read_text()
    assert "> **Of an earlier recipe.** A run of it now would not give these records:" in readme
    assert "> - training.steps: is 96 now, was 48" in readme
    assert "> **Incomplete.** The recipe's methods without a record: new." in readme
    assert "<strong>Of an earlier recipe.</strong>" in page
    assert "training.steps: is 96 now, was 48" in page
    assert "without a record: <bdi>new</bdi>" in page


def test_a_setting_that_came_later_with_a_default_is_no_change(tmp_path: Path, recipe: Recipe) -> None:
    """Records of a program that did not know `schedule` held what is its default now."""
    fixed = fixed_part(recipe)
    fixed["training"] = {key: value for key, value in fixed["training"].items() if key != "schedule"}
    folder = board_of(tmp_path, records_of(recipe, fixed=fixed), recipe)
    assert board_problems(folder, recipe) == []


def test_records_that_no_recipe_of_today_could_give_are_compared_as_they_stand(
    tmp_path: Path, recipe: Recipe
) -> None:
    fixed = fixed_part(recipe) | {"training": fixed_part(recipe)["training"] | {"gone": 1}}
    folder = board_of(tmp_path, records_of(recipe, fixed=fixed), recipe)
    assert board_problems(folder, recipe) == [
        f"{folder}: of an earlier recipe: training.gone: is not set now, was 1"
    ]


def test_a_record_without_provenance_fails_the_check(tmp_path: Path) -> None:
    unsaid = record("a", tasks=[], provenance={"harness": "0.1.0", "packages": {}})
    folder = board_of(tmp_path, [record(tasks=[]), unsaid], None)
    assert board_problems(folder) == [
        f"{folder / 'records'}: the record of a, seed 0, does not say its python, packages"
    ]


def test_a_board_that_was_trained_and_has_no_recipe_fails_the_check(tmp_path: Path, recipe: Recipe) -> None:
    folder = board_of(tmp_path, records_of(recipe), None)
    assert board_problems(folder) == [
        f"{folder}: its recipe is not there, so nothing tells whether it would give the records now. Put it "
        f"at recipes/{folder.name}.toml beside the boards, or name it: harness leaderboard --check RECIPE"
    ]


POOL = {"pool.jsonl": FILES["pool.jsonl"]}
EDITED = {"pool.jsonl": DataFile(Path("/data/pool.jsonl"), "another sha256")}


def test_a_raised_stage_fails_the_check_whatever_data_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records state what their data were, so the keys can be made without them."""
    recipe, version = document(REAL), STAGES["adapter"].version
    folder = board_of(tmp_path, planned_records(recipe, POOL), recipe)
    assert board_problems(folder, recipe) == board_problems(folder, recipe, POOL) == []
    monkeypatch.setitem(STAGES, "adapter", replace(STAGES["adapter"], version=version + 1))
    write_board(folder, recipe)
    sentence = f"stage adapter: is version {version + 1} now, was {version} (dpo)"
    for files in (NO_FILES, POOL):
        assert board_problems(folder, recipe, files) == [f"{folder}: of an earlier recipe: {sentence}"]
    assert f"> - {sentence}" in (folder / "README.md").read_text()


def test_edited_data_fail_the_check_and_change_no_page(tmp_path: Path) -> None:
    recipe = document(REAL)
    folder = board_of(tmp_path, planned_records(recipe, POOL), recipe)
    assert board_problems(folder, recipe, EDITED) == [
        f"{folder}: of an earlier recipe: stage dataset: reads another pool.jsonl now (dpo, null)"
    ]
    assert "Of an earlier recipe" not in (folder / "README.md").read_text()


def test_without_data_that_no_record_states_only_settings_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = document(REAL)
    silent = [one.model_copy(update={"files": {}}) for one in planned_records(recipe, POOL)]
    folder = board_of(tmp_path, silent, recipe)
    monkeypatch.setitem(STAGES, "adapter", replace(STAGES["adapter"], version=99))
    assert board_problems(folder, recipe) == []
    (change,) = changes(silent, recipe, POOL)
    assert "stage adapter: is version 99 now" in change
