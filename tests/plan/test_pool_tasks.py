"""What the tasks behind a pool read, and what their keys are made from."""

from dataclasses import replace
from typing import Any

import pytest
from recipe_documents import (
    ENDPOINT,
    FILES,
    HUB,
    POOL,
    REAL,
    REVISION,
    WORLD,
    draw_of,
    elsewhere,
    recipe,
    rewritten,
)

from harness.plan.build import build_plan
from harness.plan.draw import KNOBS, Draw
from harness.plan.features import embeddings_task
from harness.plan.model import base_task
from harness.plan.pool import (
    dataset_task,
    judge_of,
    lint_task,
    prompts_task,
    responses_task,
    scores_task,
    validation_task,
)
from harness.plan.task import Task
from harness.recipe.pool import DatasetPrompts, Sampling


def data_of(draw: Draw) -> Task:
    source = draw.recipe.pool.prompts
    assert isinstance(source, DatasetPrompts)
    return dataset_task(draw, source)


def chain(draw: Draw) -> dict[str, Task]:
    """The tasks of a pool by stage; two responses to each prompt."""
    base = base_task(draw)
    prompts = prompts_task(draw, base)
    responses = responses_task(draw, base, prompts, 2)
    scores = scores_task(draw, prompts, responses)
    return {"base_model": base, "prompts": prompts, "responses": responses, "scores": scores}


def names(task: Task) -> dict[str, str]:
    """The stage behind each input."""
    return {name: needed.stage for name, needed in task.inputs.items()}


def test_a_local_file_is_known_by_its_content() -> None:
    draw = draw_of(REAL)
    task = data_of(draw)
    assert task.params == {"format": None, "strict": False, "sha256": "sha256 of pool.jsonl"}
    assert (task.knobs, dict(task.inputs)) == ({"path": "/data/pool.jsonl"}, {})
    assert data_of(elsewhere(draw)).key == task.key
    assert data_of(elsewhere(draw)).knobs == {"path": "/moved/pool.jsonl"}
    assert data_of(rewritten(draw, "pool.jsonl")).key != task.key


def test_a_dataset_of_the_hub_is_known_by_its_revision_even_where_a_file_has_its_name() -> None:
    """`pool.jsonl` is a local file too, as another table names it."""
    hub = POOL | {"revision": REVISION}
    task = data_of(draw_of(REAL, pool__prompts=hub))
    assert task.params == {
        "path": "pool.jsonl", "revision": REVISION, "config": None, "split": "train", "format": None,
        "strict": False,
    }  # fmt: skip
    assert task.knobs == {}


@pytest.mark.parametrize(
    "more",
    [
        {"revision": "f" * 40},
        {"path": "a/c"},
        {"config": "x"},
        {"split": "test"},
        {"format": "hh-rlhf"},
        {"strict": True},
    ],
)
def test_what_is_read_of_a_dataset_is_in_its_key(more: dict[str, Any]) -> None:
    hub = POOL | {"path": "a/b", "revision": REVISION}
    before, after = (data_of(draw_of(REAL, pool__prompts=table)) for table in (hub, hub | more))
    assert before.key != after.key


def test_a_dataset_is_read_once_whoever_uses_it() -> None:
    """The pool, supervised fine-tuning and the reference, whatever else their tables say."""
    source = {"path": "pool.jsonl"}
    draw = draw_of(
        REAL,
        pool__prompts=POOL | {"max_characters": 9, "held_out": 0.5},
        model__sft={"data": source, "steps": 1, "learning_rate": 1e-3},
        evaluation__alpaca_eval__reference={"kind": "dataset", **source},
    )
    tasks = build_plan(draw.recipe, FILES).tasks
    (data,) = [task for task in tasks if task.stage == "dataset"]
    users = {task.stage for task in tasks if data.key in [needed.key for needed in task.inputs.values()]}
    assert users == {"sft", "lint", "prompts", "held_out", "outputs"}


def test_prompts_of_a_dataset_wait_for_the_lint() -> None:
    draw = replace(draw_of(REAL), replicate=3)
    base = base_task(draw)
    task = prompts_task(draw, base)
    assert names(task) == {"dataset": "dataset", "lint": "lint"}
    assert names(task.inputs["lint"]) == {"base_model": "base_model", "dataset": "dataset"}
    assert task.params == {
        "first": 0, "count": 4, "held_out": 0.1, "max_characters": None, "least": 0, "scored": False,
        "seed": 3,
    }  # fmt: skip
    assert lint_task(draw_of(WORLD), base) is None
    assert dict(prompts_task(draw_of(WORLD), base).inputs) == {}


def test_validation_prompts_follow_those_of_the_pool() -> None:
    """4 of the pool, 5 of tuning; both are drawn in one order."""
    draw = draw_of(REAL)
    task, pool = validation_task(draw, 6, skip=5), prompts_task(draw, base_task(draw))
    assert (task.params["first"], task.params["count"]) == (9, 6)
    for params in (task.params, pool.params):
        assert {"held_out", "max_characters", "least", "scored", "seed"} < set(params)
    assert names(task) == {"dataset": "dataset"}
    world = validation_task(draw_of(WORLD), 6, skip=5)
    assert (world.params["skip"], world.params["count"], dict(world.inputs)) == (5, 6, {})


OWN = {"kind": "dataset", "least": 3}


def test_own_responses_must_be_enough_and_scored_where_the_data_judge() -> None:
    draw = draw_of(REAL, pool__responses=OWN, pool__judge={"kind": "dataset"})
    tasks = chain(draw)
    assert (tasks["prompts"].params["least"], tasks["prompts"].params["scored"]) == (3, True)
    assert tasks["responses"].params == {"kind": "dataset", "per_prompt": 2, "scored": True}
    assert names(tasks["scores"]) == {"prompts": "prompts", "responses": "responses", "dataset": "dataset"}
    other = chain(draw_of(REAL, pool__responses=OWN))
    assert (other["prompts"].params["least"], other["prompts"].params["scored"]) == (3, False)
    assert names(other["scores"]) == {"prompts": "prompts", "responses": "responses"}


@pytest.mark.parametrize(
    ("table", "inputs", "params", "knobs"),
    [
        (
            {"kind": "sample"},
            {"base_model", "prompts"},
            {"kind", "temperature", "max_new_tokens", "per_prompt", "seed"},
            {"sampling"},
        ),
        ({"kind": "dataset"}, {"base_model", "prompts", "dataset"}, {"kind", "per_prompt", "scored"}, set()),
        (
            {"kind": "both"},
            {"base_model", "prompts", "dataset"},
            {"kind", "temperature", "max_new_tokens", "per_prompt", "seed", "scored"},
            {"sampling"},
        ),
        (
            {"kind": "sample", "endpoint": ENDPOINT},
            {"prompts"},
            {"kind", "temperature", "max_new_tokens", "per_prompt", "seed", "endpoint"},
            {"endpoint"},
        ),
    ],
)
def test_what_responses_rest_on(
    table: dict[str, Any], inputs: set[str], params: set[str], knobs: set[str]
) -> None:
    """Own responses are the same under every seed; those of an endpoint whatever the base model is."""
    task = chain(draw_of(REAL, pool__responses=table))["responses"]
    assert (set(task.inputs), set(task.params), set(task.knobs)) == (inputs, params, knobs)


OTHER = {
    "base_url": "https://elsewhere/v1", "key_env": "KEY", "concurrency": 2, "requests_per_minute": 5,
    "timeout_s": 3.0, "attempts": 1, "usd_per_million_in": 1.0, "usd_per_million_out": 2.0, "budget_usd": 5.0,
}  # fmt: skip


@pytest.mark.parametrize("knob", KNOBS)
def test_how_an_endpoint_is_asked_is_in_no_key(knob: str) -> None:
    """Where it is, how fast and for how much; the stages are told all the same."""
    changed = ENDPOINT | {knob: OTHER[knob]}
    before, after = (
        chain(
            draw_of(
                REAL,
                pool__responses={"kind": "sample", "endpoint": table},
                pool__judge={"kind": "endpoint", **table},
            )
        )
        for table in (ENDPOINT, changed)
    )
    assert {stage: task.key for stage, task in before.items()} == {
        stage: task.key for stage, task in after.items()
    }
    assert after["responses"].knobs["endpoint"][knob] == OTHER[knob]
    assert after["scores"].knobs["judge"][knob] == OTHER[knob]


@pytest.mark.parametrize(
    ("place", "table"),
    [
        ("responses", {"model": "other"}),
        ("judge", {"model": "other"}),
        ("judge", {"template": "weighted"}),
        ("judge", {"both_orders": True}),
        ("judge", {"temperature": 0.5}),
        ("judge", {"max_tokens": 9}),
        ("judge", {"length_parameter": "max_completion_tokens"}),
    ],
)
def test_what_an_endpoint_is_asked_is_in_the_key(place: str, table: dict[str, Any]) -> None:
    def scores(more: dict[str, Any]) -> Task:
        asked = {
            "responses": {"kind": "sample", "endpoint": ENDPOINT | more},
            "judge": {"kind": "endpoint", **ENDPOINT, **more},
        }
        return chain(draw_of(REAL, **{f"pool__{place}": asked[place]}))["scores"]

    assert scores({}).key != scores(table).key


def test_the_speed_of_sampling_is_in_no_key() -> None:
    before, after = (
        chain(draw_of(REAL, sampling=table)) for table in ({}, {"batch_size": 1, "engine": "vllm"})
    )
    assert before["scores"].key == after["scores"].key
    assert after["responses"].knobs == {"sampling": {"engine": "vllm", "batch_size": 1}}
    assert set(Sampling.model_fields) == set(after["responses"].knobs["sampling"])


@pytest.mark.parametrize(
    ("kind", "name"), [("reward-model", "reward"), ("local", "judge")], ids=["reward", "local"]
)
def test_a_judge_in_a_folder_is_known_by_its_content(kind: str, name: str) -> None:
    draw = draw_of(REAL, pool__judge={"kind": kind, "name": name})
    params, knobs = judge_of(draw, draw.recipe.pool.judge)
    assert params["judge"]["name"] == f"sha256 of {name}"
    assert knobs == {"judge": {"path": f"/data/{name}"}}
    key = chain(draw)["scores"].key
    assert chain(elsewhere(draw))["scores"].key == key
    assert chain(rewritten(draw, name))["scores"].key != key
    of_hub = draw_of(REAL, pool__judge={"kind": kind, **HUB})
    found, none = judge_of(of_hub, of_hub.recipe.pool.judge)
    assert (found["judge"]["name"], found["judge"]["revision"], none) == ("a/b", REVISION, {})


def test_a_model_in_a_folder_is_known_by_its_content() -> None:
    draw = draw_of(REAL, model={"kind": "hf", "name": "base", "template": "chat.jinja"})
    task = base_task(draw)
    assert (task.params["name"], task.params["template"]) == ("sha256 of base", "sha256 of chat.jinja")
    assert task.knobs == {"path": "/data/base", "template": "/data/chat.jinja"}
    assert base_task(elsewhere(draw)).key == task.key
    for name in ("base", "chat.jinja"):
        assert base_task(rewritten(draw, name)).key != task.key


def test_a_model_of_the_hub_may_have_a_local_template() -> None:
    task = base_task(draw_of(REAL, model={"kind": "hf", "template": "chat.jinja", **HUB}))
    assert (task.params["name"], task.params["revision"]) == ("a/b", REVISION)
    assert task.knobs == {"template": "/data/chat.jinja"}


def test_fine_tuning_reads_the_model_and_its_data() -> None:
    """It is the untrained start of all methods then; where the data lie is in no key."""
    table = {"data": {"path": "sft.jsonl"}, "steps": 1, "learning_rate": 1e-3}
    draw = draw_of(REAL, model__sft=table)
    task = base_task(draw)
    assert (task.stage, names(task)) == ("sft", {"base_model": "base_model", "dataset": "dataset"})
    assert "data" not in task.params
    assert task.inputs["base_model"].key == base_task(draw_of(REAL)).key
    assert base_task(elsewhere(draw)).key == task.key
    assert base_task(rewritten(draw, "sft.jsonl")).key != task.key


def test_embeddings_of_an_encoder_need_no_base_model() -> None:
    table = {"embedding": {"kind": "sentence-transformers", "name": "encoder"}}
    draw = draw_of(REAL, features=table)
    base = base_task(draw)
    prompts = prompts_task(draw, base)
    task = embeddings_task(draw, base, prompts)
    assert (set(task.inputs), task.knobs) == ({"prompts"}, {"path": "/data/encoder"})
    assert embeddings_task(elsewhere(draw), base, prompts).key == task.key
    assert embeddings_task(rewritten(draw, "encoder"), base, prompts).key != task.key
    assert set(embeddings_task(draw_of(REAL), base, prompts).inputs) == {"base_model", "prompts"}


@pytest.mark.parametrize("kind", ["sample", "dataset", "both"])
def test_replicates_that_draw_the_same_pool_share_it(kind: str) -> None:
    """Where the pool varies, all but the data and the model are drawn anew."""
    for vary, copies in ((("training",), 1), (("pool",), 2)):
        seeds = {"replicates": (0, 1), "vary": vary}
        found = build_plan(recipe(REAL, seeds=seeds, pool__responses={"kind": kind}), FILES).tasks
        stages = [task.stage for task in found]
        assert [stages.count(one) for one in ("base_model", "dataset", "lint", "held_out")] == [1, 1, 1, 1]
        assert [stages.count(one) for one in ("prompts", "scores")] == [copies, copies]
