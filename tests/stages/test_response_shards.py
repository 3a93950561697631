"""Sampling in shards gives, byte for byte, what one task gives; a shard that is lost costs only itself."""

from pathlib import Path

import pytest
from done_tasks import cost_of, done, draw_in, write_lines

from harness.data.rows import Prompt
from harness.plan.model import base_task
from harness.plan.pool import prompts_task, responses_task
from harness.plan.shards import in_shards
from harness.plan.task import Task, in_order
from harness.recipe.resources import Resources, ShardedNeeds
from harness.stages.responses import shard_of
from harness.store.formats import RESPONSES
from harness.store.local import LocalStore

PROMPTS = 7


@pytest.fixture
def whole(tmp_path: Path) -> Task:
    """3 samples for each of 7 prompts of unequal length, by a random model."""
    lines = [
        {"prompt": "word " * (1 + n % 4) + str(n), "responses": [{"text": "a"}, {"text": "b"}]}
        for n in range(PROMPTS + 3)
    ]
    write_lines(tmp_path / "pool.jsonl", lines)
    sampled = {"kind": "sample", "max_new_tokens": 6}
    draw = draw_in(tmp_path, pool__responses=sampled, pool__prompts__count=PROMPTS)
    base = base_task(draw)
    return responses_task(draw, base, prompts_task(draw, base), 3)


def cut(whole: Task, shards: int) -> Task:
    return in_shards(in_order([whole]), Resources(responses=ShardedNeeds(shards=shards)), set())[-1]


def test_any_number_of_shards_gives_the_same_artifact(tmp_path: Path, whole: Task) -> None:
    """The same key, the same bytes, the same tokens; more shards than prompts leave some without."""
    folder = done(tmp_path / "1", whole)
    assert len((folder / RESPONSES).read_text().splitlines()) == 3 * PROMPTS
    for shards in (2, 3, PROMPTS + 2):
        store = tmp_path / str(shards)
        task = cut(whole, shards)
        joined = done(store, task)
        assert (joined.name, len(task.parts)) == (folder.name, shards)
        assert sorted(path.name for path in joined.iterdir()) == sorted(p.name for p in folder.iterdir())
        assert (joined / RESPONSES).read_bytes() == (folder / RESPONSES).read_bytes()
        one, many = cost_of(tmp_path / "1", whole), cost_of(store, task)
        assert many["tokens_forward"] == one["tokens_forward"]
        assert many["flops"] == one["flops"]
        assert many["wall_s"] >= sum(cost_of(store, part)["wall_s"] for part in task.parts)


def test_a_lost_shard_costs_only_itself(tmp_path: Path, whole: Task) -> None:
    task, store = cut(whole, 3), LocalStore(tmp_path / "s")
    expected = done(tmp_path / "1", whole) / RESPONSES
    for part in task.parts:
        done(store.root, part)
    kept = [store.folder(part.stage, part.key).stat().st_ino for part in task.parts]
    store.discard(task.parts[1].stage, task.parts[1].key)
    assert (done(store.root, task) / RESPONSES).read_bytes() == expected.read_bytes()
    again = [store.folder(part.stage, part.key).stat().st_ino for part in task.parts]
    assert (kept[0], kept[2]) == (again[0], again[2])


def test_shards_are_all_prompts_in_order_and_nearly_equal() -> None:
    """7 prompts in 3: edges at 0, 7/3 = 2, 14/3 = 4 and 7."""
    prompts = [Prompt(name, name) for name in "abcdefg"]
    shards = [[prompt.id for prompt in shard_of(prompts, number, 3)] for number in range(3)]
    assert shards == [["a", "b"], ["c", "d"], ["e", "f", "g"]]
    assert sorted(len(shard_of(prompts, number, 9)) for number in range(9)) == [0, 0, 1, 1, 1, 1, 1, 1, 1]
