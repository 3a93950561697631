"""What the tasks that measure a method read, and what their keys are made from."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from recipe_documents import ENDPOINT, FILES, REAL, REVISION, WORLD, draw_of, elsewhere, rewritten

from harness.plan.build import build_plan
from harness.plan.draw import Draw
from harness.plan.evaluation import held_out_task
from harness.plan.task import Task

PROMPTS = "evaluation__alpaca_eval__prompts"
REFERENCE = "evaluation__alpaca_eval__reference"
OFFICIAL = {"kind": "official", "path": "official.json"}
METHODS = {
    "start": {},
    "null": {"answer": "no"},
    "dpo": {"responses_per_prompt": 2},
}


def ends(draw: Draw, method: str = "dpo") -> Mapping[str, Task]:
    (cell,) = [
        cell
        for cell in build_plan(draw.recipe, draw.files).cells
        if (cell.method, cell.replicate) == (method, draw.replicate)
    ]
    return cell.ends


def names(task: Task) -> dict[str, str]:
    """The stage behind each input."""
    return {name: needed.stage for name, needed in task.inputs.items()}


@pytest.mark.parametrize(
    ("table", "params", "inputs", "file"),
    [
        (
            {"kind": "held-out", "count": 4},
            {"source": {"kind": "held-out", "count": 4}, "held_out": 0.1, "max_characters": None},
            {"dataset": "dataset"},
            "pool.jsonl",
        ),
        (
            {"kind": "dataset", "path": "reference.json", "count": 4},
            {"source": {"kind": "dataset", "count": 4}},
            {"dataset": "dataset"},
            "reference.json",
        ),
        (
            OFFICIAL,
            {"source": {"kind": "official", "path": "sha256 of official.json", "revision": None}},
            {},
            "official.json",
        ),
    ],
    ids=["held-out", "dataset", "official"],
)
def test_evaluation_prompts_are_known_by_their_content(
    table: dict[str, Any], params: dict[str, Any], inputs: dict[str, str], file: str
) -> None:
    """The same in every replicate."""
    draw = draw_of(REAL, **{PROMPTS: table})
    task = held_out_task(draw)
    assert (task.params, names(task)) == (params, inputs)
    assert held_out_task(elsewhere(draw)).key == task.key
    assert held_out_task(replace(draw, replicate=2)).key == task.key
    assert held_out_task(rewritten(draw, file)).key != task.key


def test_official_prompts_of_the_hub_are_known_by_their_revision() -> None:
    task = held_out_task(draw_of(REAL, **{PROMPTS: {"kind": "official", "revision": REVISION}}))
    assert (task.params["source"]["revision"], task.knobs) == (REVISION, {})


def test_how_the_pool_is_drawn_does_not_touch_the_evaluation_prompts() -> None:
    """What divides the dataset does."""
    key = held_out_task(draw_of(REAL)).key
    for place, value, same in (("count", 5, True), ("held_out", 0.2, False), ("max_characters", 9, False)):
        changed = draw_of(REAL, **{f"pool__prompts__{place}": value})
        assert (held_out_task(changed).key == key) == same


def reference_of(**changes: Any) -> Task:
    return ends(draw_of(REAL, methods=METHODS, **changes))["reference"]


def test_the_reference_is_sampled_with_random_numbers_of_its_own() -> None:
    start = reference_of()
    assert (names(start), start.params["stream"]) == (
        {"base_model": "base_model", "held_out": "held_out"},
        "reference",
    )
    outputs = ends(draw_of(REAL, methods=METHODS), "start")["outputs"]
    assert outputs.params == {**start.params, "stream": "outputs"}
    method = reference_of(**{REFERENCE: {"kind": "method", "method": "dpo"}})
    assert method.inputs["adapter"].stage == "adapter"
    assert method.params["stream"] == "reference"


def test_given_references_are_the_same_in_every_replicate() -> None:
    """A file's, the official ones, and the null model's answer."""
    given: list[tuple[dict[str, Any], dict[str, str]]] = [
        (
            {REFERENCE: {"kind": "dataset", "path": "reference.json"}},
            {"held_out": "held_out", "dataset": "dataset"},
        ),
        ({REFERENCE: {"kind": "official"}, PROMPTS: OFFICIAL}, {"held_out": "held_out"}),
        ({REFERENCE: {"kind": "method", "method": "null"}}, {"held_out": "held_out"}),
    ]
    for changes, inputs in given:
        seeds = {"replicates": (0, 1)}
        first, second = [
            ends(replace(draw_of(REAL, methods=METHODS, seeds=seeds, **changes), replicate=replicate))
            for replicate in (0, 1)
        ]
        assert names(first["reference"]) == inputs
        assert first["reference"].key == second["reference"].key
    null = ends(draw_of(REAL, methods=METHODS, **given[2][0]), "null")
    assert null["reference"].key == null["outputs"].key


def test_a_reference_from_a_file_is_known_by_its_content() -> None:
    draw = draw_of(REAL, **{REFERENCE: {"kind": "dataset", "path": "reference.json"}})
    key = ends(draw)["alpaca_eval"].key
    assert ends(elsewhere(draw))["alpaca_eval"].key == key
    assert ends(rewritten(draw, "reference.json"))["alpaca_eval"].key != key


def test_a_judge_reads_prompts_outputs_and_references() -> None:
    """Its own table is in the key, less the endpoint's address and speed."""
    judge = {"kind": "endpoint", **ENDPOINT}
    draw = draw_of(REAL, seeds={"replicates": (3,)}, evaluation__alpaca_eval__judge=judge)
    task = ends(replace(draw, replicate=3))["alpaca_eval"]
    assert names(task) == {"held_out": "held_out", "reference": "outputs", "outputs": "outputs"}
    assert task.params == {
        "judge": {
            "kind": "endpoint", "model": ENDPOINT["model"], "template": "pairwise", "both_orders": False,
            "temperature": 0.0, "max_tokens": 1024, "length_parameter": "max_tokens",
        },
        "world": None,
        "seed": 3,
    }  # fmt: skip
    assert task.knobs["judge"]["base_url"] == ENDPOINT["base_url"]


SAMPLED = "evaluation__alpaca_eval"


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, True),
        ({REFERENCE: {"kind": "method", "method": "dpo"}}, True),
        ({REFERENCE: {"kind": "method", "method": "null"}}, False),
        ({REFERENCE: {"kind": "dataset", "path": "reference.json"}}, False),
        ({REFERENCE: {"kind": "official"}, PROMPTS: OFFICIAL}, False),
        ({f"{SAMPLED}__samples_per_prompt": 1}, False),
        ({f"{SAMPLED}__temperature": 0.0}, False),
        ({f"{SAMPLED}__judge": {"kind": "local", "name": "judge"}}, False),
        ({f"{SAMPLED}__judge": {"kind": "endpoint", **ENDPOINT}}, False),
        ({f"{SAMPLED}__judge": {"kind": "reward-model", "name": "reward"}}, True),
    ],
)
def test_held_out_pairs_are_made_where_samples_differ_and_scores_are_cheap(
    changes: dict[str, Any], asked: bool
) -> None:
    draw = draw_of(REAL, methods=METHODS, **changes)
    assert ("preference" in ends(draw, "dpo")) == asked
    assert "preference" not in ends(draw, "start")


def test_the_null_model_has_outputs_only() -> None:
    assert set(ends(draw_of(WORLD), "null")) == {
        "base_model",
        "held_out",
        "reference",
        "outputs",
        "alpaca_eval",
    }
    assert {"lm_eval", "knowledge", "preference"} < set(ends(draw_of(WORLD), "dpo"))
    assert "knowledge" not in ends(draw_of(REAL), "dpo")


@pytest.mark.parametrize(
    ("place", "table", "role", "file"),
    [
        ("lm_eval", {"tasks": ("own",), "include": "tasks"}, "lm_eval", "tasks"),
        (
            "mt_bench",
            {"questions": "questions.jsonl", "judge": {"kind": "length"}},
            "mt_bench",
            "questions.jsonl",
        ),
        (
            "mt_bench",
            {"questions": "questions.jsonl", "judge": {"kind": "local", "name": "judge"}},
            "mt_bench",
            "judge",
        ),
    ],
)
def test_tasks_and_questions_are_known_by_their_content(
    place: str, table: dict[str, Any], role: str, file: str
) -> None:
    draw = draw_of(REAL, **{f"evaluation__{place}": table})
    task = ends(draw)[role]
    assert names(task) == {"base_model": "base_model", "adapter": "adapter"}
    assert ends(elsewhere(draw))[role].key == task.key
    assert ends(rewritten(draw, file))[role].key != task.key


def test_every_cell_of_a_dataset_shows_its_lint() -> None:
    cells = build_plan(draw_of(REAL).recipe, FILES).cells
    assert len({cell.ends["lint"].key for cell in cells}) == 1
    assert "lint" not in ends(draw_of(WORLD))
