"""Which stages have other keys now than a board's records state, and why."""

from dataclasses import replace
from pathlib import Path

import pytest
from planned_records import planned_records
from recipe_documents import FILES, REAL, WORLD, recipe

from harness.leaderboard.record import Record
from harness.leaderboard.stale_keys import key_changes
from harness.plan.build import NO_FILES
from harness.plan.catalog import STAGES
from harness.plan.draw import DataFile
from harness.recipe.schema import Recipe

POOL = {"pool.jsonl": FILES["pool.jsonl"]}
EDITED = {"pool.jsonl": DataFile(Path("/data/pool.jsonl"), "another sha256")}
OTHERWISE = "has another key now"


def judged(**of_a: object) -> Recipe:
    """Three methods, each two of them compared; more may be said of `a`."""
    methods: dict[str, dict[str, object]] = {"dpo": {"responses_per_prompt": 2}}
    methods["a"] = {"responses_per_prompt": 4, **of_a}
    methods["b"] = {"responses_per_prompt": 8}
    return recipe(WORLD, evaluation={"head_to_head": True}, methods=methods)


def found(
    records: list[Record], now: Recipe, files: dict[str, DataFile] | None = None, otherwise: str = OTHERWISE
) -> list[str]:
    return list(key_changes(records, now, NO_FILES if files is None else files, otherwise))


def raised(monkeypatch: pytest.MonkeyPatch, stage: str, by: int = 1) -> str:
    """A stage gets a later version; what is said of it."""
    version = STAGES[stage].version
    monkeypatch.setitem(STAGES, stage, replace(STAGES[stage], version=version + by))
    return f"stage {stage}: is version {version + by} now, was {version}"


def test_the_plan_that_gave_the_records_changes_nothing() -> None:
    assert found(planned_records(recipe(WORLD)), recipe(WORLD)) == []
    assert found(planned_records(judged()), judged()) == []
    assert found(planned_records(recipe(REAL), POOL), recipe(REAL), POOL) == []


@pytest.mark.parametrize(
    ("stage", "methods"),
    [("base_model", "dpo, null"), ("held_out", "dpo, null"), ("pairs", "dpo"), ("adapter", "dpo")],
)
def test_a_stage_whose_version_was_raised_is_named_and_what_follows_is_not(
    monkeypatch: pytest.MonkeyPatch, stage: str, methods: str
) -> None:
    """`null` answers with a constant: it is not trained, and its reference is the untrained start's."""
    records = planned_records(recipe(WORLD))
    sentence = raised(monkeypatch, stage, by=2)
    assert found(records, recipe(WORLD)) == [f"{sentence} ({methods})"]


def test_of_two_stages_that_changed_the_first_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    records = planned_records(recipe(WORLD))
    raised(monkeypatch, "adapter")
    sentence = raised(monkeypatch, "pairs")
    assert found(records, recipe(WORLD)) == [f"{sentence} (dpo)"]


def test_a_data_file_that_was_edited_is_named() -> None:
    """Both methods rest on it: `null` through the prompts that are held out."""
    records = planned_records(recipe(REAL), POOL)
    assert found(records, recipe(REAL), EDITED) == ["stage dataset: reads another pool.jsonl now (dpo, null)"]


def test_records_of_two_contents_of_a_file_are_told_apart() -> None:
    old, new = planned_records(recipe(REAL), POOL), planned_records(recipe(REAL), EDITED)
    mixed = [old[0], new[1]]
    assert (mixed[0].method, mixed[1].method) == ("dpo", "null")
    assert found(mixed, recipe(REAL), EDITED) == ["stage dataset: reads another pool.jsonl now (dpo)"]


def test_records_that_do_not_state_their_files_leave_the_reason_open() -> None:
    records = [one.model_copy(update={"files": {}}) for one in planned_records(recipe(REAL), POOL)]
    assert found(records, recipe(REAL), POOL) == []
    assert found(records, recipe(REAL), EDITED) == [f"stage dataset: {OTHERWISE} (dpo, null)"]


def test_a_setting_shows_in_the_first_stage_that_it_is_of() -> None:
    records = planned_records(recipe(WORLD))
    now = recipe(WORLD, training={"steps": 2, "learning_rate": 1e-3})
    assert found(records, now, otherwise="is other") == ["stage adapter: is other (dpo)"]


def test_more_than_three_methods_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    four = {name: {"responses_per_prompt": 2} for name in ("dpo", "a", "b", "c")}
    now = recipe(WORLD, methods=four)
    records = planned_records(now)
    assert found(records, now) == []
    assert found(records[:3], now) == []
    sentence = raised(monkeypatch, "adapter")
    assert found(records[:3], now) == [f"{sentence} (dpo, a, b)"]
    assert found(records, now) == [f"{sentence} (4 methods)"]


def test_a_method_of_two_replicates_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = recipe(WORLD, seeds={"replicates": (0, 1)})
    records = planned_records(now)
    assert len(records) == 4
    assert found(records, now) == []
    assert found(records, recipe(WORLD, seeds={"replicates": (1, 2)})) == []  # a replicate without a record
    sentence = raised(monkeypatch, "adapter")
    assert found(records, now) == [f"{sentence} (dpo)"]


def test_shards_are_not_seen() -> None:
    records = planned_records(recipe(WORLD))
    assert found(records, recipe(WORLD, resources={"responses": {"shards": 3}})) == []


def test_a_comparison_is_named_only_where_it_changed_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another loss of `a` changes its comparisons with `dpo` and `b`, whose records are as they were."""
    records = planned_records(judged())
    assert found(records, judged(loss={"kind": "ipo"})) == [f"stage adapter: {OTHERWISE} (a)"]
    assert found(records, judged()) == []
    sentence = raised(monkeypatch, "head_to_head")
    assert found(records, judged()) == [f"{sentence} (dpo, a, b)"]
    without = [one.model_copy(update={"head_to_head": None}) for one in records]
    assert found(without, judged()) == []


def test_results_from_elsewhere_have_no_keys() -> None:
    records = [one.model_copy(update={"tasks": []}) for one in planned_records(recipe(WORLD))]
    assert found(records, recipe(WORLD)) == []
