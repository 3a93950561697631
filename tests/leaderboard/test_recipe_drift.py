"""A board says where its recipe is another one now, and the check fails on it."""

from pathlib import Path

import pytest
from synthetic_records import record

from harness.leaderboard.board import board_problems, make_board, write_board
from harness.leaderboard.collect import declare, fixed_part
from harness.leaderboard.record import Record, write_record
from harness.recipe.load import load_recipe
from harness.recipe.schema import Recipe

RECIPES = Path(__file__).parent.parent.parent / "recipes"


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe(RECIPES / "bpo.toml")


def records_of(recipe: Recipe, **changes: object) -> list[Record]:
    return [
        record(
            name,
            title=recipe.title,
            baseline=recipe.baseline,
            fixed=fixed_part(recipe),
            declared=declare(method),
            order=order,
        ).model_copy(update=changes)
        for order, (name, method) in enumerate(recipe.methods.items())
    ]


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
    now = changed(recipe)
    folder = board_of(tmp_path, records_of(recipe), now)
    assert board_problems(folder, now) == [
        f"{folder}: of an earlier recipe: methods.uniform-2.depth.pairs: is 3 now, was 2",
        f"{folder}: of an earlier recipe: training.steps: is 96 now, was 48",
        f"{folder}: of an earlier recipe: methods.null: is not in the recipe any more",
        f"{folder}: has no record of the recipe's method new",
    ]
    readme, page = (folder / "README.md").read_text(), (folder / "index.html").read_text()
    assert "> **Of an earlier recipe.** What it says now is not what these records hold:" in readme
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
    folder = board_of(
        tmp_path, [record(), record("a", provenance={"harness": "0.1.0", "packages": {}})], None
    )
    assert board_problems(folder) == [
        f"{folder / 'records'}: the record of a, seed 0, does not say its python, packages"
    ]
