"""Work cut into shards gives, byte for byte, what one task gives; a shard that is lost costs only itself."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from done_tasks import cost_of, done, draw_in, write_lines
from tiny_classifier import make_classifier

from harness.models import batching
from harness.plan.draw import Draw
from harness.plan.features import (
    Sampled,
    bank_task,
    embeddings_task,
    hidden_states_task,
    logprobs_task,
)
from harness.plan.model import base_task
from harness.plan.pool import prompts_task, responses_task, scores_task
from harness.plan.shards import in_shards
from harness.plan.task import Task, in_order
from harness.recipe.features import Gradients
from harness.recipe.resources import Resources, ShardedNeeds
from harness.stages import gradients
from harness.stages.run import run_task
from harness.store.local import LocalStore
from harness.store.manifest import NAME

PROMPTS, EACH = 7, 3
WINDOW, PIECE = 5, 6
"""Of the 21 responses: windows of 5, 5, 5, 5 and 1, also across prompts; pieces of two prompts or one."""
PRICED = (
    "flops",
    "tokens_forward",
    "tokens_backward",
    "tokens_generated",
    "tokens_scored",
    "judge_calls",
    "judge_usd",
    "judge_tokens_in",
    "judge_unpriced",
)


@pytest.fixture(scope="module")
def draw(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Draw:
    """3 samples for each of 7 prompts of unequal length, by a random model, scored by another."""
    folder = tmp_path_factory.mktemp("shards")
    lines = [
        {"prompt": " ".join(["w1", "w2", "w3"][: 1 + n % 3]) + f" w{n + 4}", "responses": [{"text": "a"}]}
        for n in range(PROMPTS + 3)
    ]
    write_lines(folder / "pool.jsonl", lines)
    make_classifier(folder / "reward", tiny_base)
    return draw_in(
        folder,
        pool__responses={"kind": "sample", "max_new_tokens": 6},
        pool__prompts__count=PROMPTS,
        pool__judge={"kind": "reward-model", "name": "reward", "dtype": "fp32"},
    )


def pool_of(draw: Draw) -> tuple[Task, Sampled]:
    base = base_task(draw)
    prompts = prompts_task(draw, base)
    responses = responses_task(draw, base, prompts, EACH)
    return base, Sampled(prompts, responses, scores_task(draw, prompts, responses))


def bank(draw: Draw, preconditioning: str) -> Task:
    base, sampled = pool_of(draw)
    table = {"rank": 4, "dim": 64, "preconditioning": preconditioning}
    if preconditioning != "none":
        table |= {"at": "warmup", "warmup_steps": 2}
    settings = Gradients.model_validate(table)
    return bank_task(draw, settings, base, sampled, sampled)


MAKE: dict[str, Callable[[Draw], Task]] = {
    "responses": lambda draw: pool_of(draw)[1].responses,
    "scores": lambda draw: pool_of(draw)[1].scores,
    "embeddings": lambda draw: embeddings_task(draw, pool_of(draw)[0], pool_of(draw)[1].prompts),
    "logprobs": lambda draw: logprobs_task(pool_of(draw)[1].read_by(pool_of(draw)[0])),
    "hidden_states": lambda draw: hidden_states_task(*pool_of(draw)),
    "gradients": partial(bank, preconditioning="none"),
    "frozen gradients": partial(bank, preconditioning="frozen"),
    "exact gradients": partial(bank, preconditioning="exact"),
}


@pytest.fixture(scope="module")
def store(draw: Draw, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what the tasks need is done once."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(autouse=True)
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "WINDOW", WINDOW)
    monkeypatch.setattr(gradients, "make", partial(gradients.make, batch_size=4, piece=PIECE))


def cut(whole: Task, shards: int) -> Task:
    """The task alone in shards; what it needs is whole."""
    needed = in_order([whole])
    wanted = Resources.model_validate({whole.stage: ShardedNeeds(shards=shards)})
    return in_shards(needed, wanted, {task.key for task in needed} - {whole.key})[-1]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != NAME}


@pytest.mark.parametrize("name", list(MAKE))
def test_any_number_of_shards_gives_the_same_artifact(draw: Draw, store: Path, name: str) -> None:
    """The same key, the same bytes, the same work; more shards than units leave some without."""
    whole = MAKE[name](draw)
    expected, one = content(done(store, whole)), cost_of(store, whole)
    assert sum(one[count] for count in PRICED) > 0
    for shards in (2, 3, PROMPTS + 2):
        LocalStore(store).discard(whole.stage, whole.key)
        task = cut(whole, shards)
        joined = done(store, task)
        assert (task.key, len(task.parts)) == (whole.key, shards)
        assert content(joined) == expected
        many = cost_of(store, task)
        assert {count: many[count] for count in PRICED} == {count: one[count] for count in PRICED}
        if name != "responses":  # whose batches are others, and pad otherwise
            assert many["tokens_padding"] == one["tokens_padding"]
        assert many["wall_s"] >= sum(cost_of(store, part)["wall_s"] for part in task.parts)


def test_the_progress_of_a_judge_goes_on_from_window_to_window(draw: Draw, store: Path) -> None:
    whole, told = MAKE["scores"](draw), list[tuple[int, int]]()
    done(store, whole)
    LocalStore(store).discard(whole.stage, whole.key)
    run_task(whole, store, lambda *now: told.append(now))
    assert told == [(5, 21), (10, 21), (15, 21), (20, 21), (21, 21)]


@pytest.mark.parametrize("name", ["scores", "embeddings", "logprobs", "hidden_states"])
def test_a_shard_without_rows_loads_no_model(
    draw: Draw, store: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of many: of 5 windows, or of 2, floor(5 / 50) are its own."""
    idle = cut(MAKE[name](draw), 50).parts[0]
    for needed in idle.needs:
        done(store, needed)
    for loader in ("harness.stages.shared.load_policy", "harness.judges.reward_model._load"):
        monkeypatch.setattr(loader, None)
    assert content(done(store, idle)) == {}


@pytest.mark.parametrize("name", ["responses", "gradients"])
def test_a_lost_shard_costs_only_itself(draw: Draw, store: Path, name: str) -> None:
    whole, kept = MAKE[name](draw), LocalStore(store)
    expected, task = content(done(store, whole)), cut(whole, 3)
    for part in task.parts:
        done(store, part)
    before = [kept.folder(part.stage, part.key).stat().st_ino for part in task.parts]
    kept.discard(task.parts[1].stage, task.parts[1].key)
    kept.discard(whole.stage, whole.key)
    assert content(done(store, task)) == expected
    after = [kept.folder(part.stage, part.key).stat().st_ino for part in task.parts]
    assert (before[0], before[2]) == (after[0], after[2])


def test_what_an_endpoint_does_is_not_cut(tmp_path: Path) -> None:
    """Shards side by side would ask it faster than the recipe allows."""
    write_lines(tmp_path / "pool.jsonl", [{"prompt": "w1", "responses": [{"text": "a"}]}])
    endpoint = {"base_url": "http://localhost:1/v1", "model": "m-2026-01-01"}
    judge = {"kind": "endpoint", **endpoint}
    asked = draw_in(tmp_path, pool__responses={"kind": "sample", "endpoint": endpoint}, pool__judge=judge)
    _, sampled = pool_of(asked)
    for task in (sampled.responses, sampled.scores):
        assert cut(task, 3).parts == ()
