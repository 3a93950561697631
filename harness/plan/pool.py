"""The tasks behind a pool: data, prompts, responses and scores."""

from typing import Any, assert_never

from harness.plan.draw import Draw, knobs_of, plain, without_knobs
from harness.plan.task import Task
from harness.recipe import judges
from harness.recipe.pool import (
    AtlasPrompts,
    BothResponses,
    DatasetPrompts,
    DatasetResponses,
    SampledResponses,
)
from harness.recipe.sources import Source


def dataset_task(draw: Draw, source: Source) -> Task:
    """What a file or dataset of the hub holds, as prompts, responses and scores."""
    return Task("dataset", draw.source(source), {}, draw.where(source, "path"))


def lint_task(draw: Draw, base: Task) -> Task | None:
    """The proof that the data become the tokens that they should, before anything else is done with them."""
    source = draw.recipe.pool.prompts
    if not isinstance(source, DatasetPrompts):
        return None
    return Task("lint", {}, {"base_model": base, "dataset": dataset_task(draw, source)})


def prompts_task(draw: Draw, base: Task) -> Task:
    """The pool's prompts under this replicate; those of a dataset wait for the lint."""
    match draw.recipe.pool.prompts:
        case AtlasPrompts() as source:
            params = {"source": plain(source), "world": draw.world, "seed": draw.seed("pool")}
            return Task("prompts", params, {})
        case DatasetPrompts() as source:
            params = _drawn(draw, source) | {"first": 0, "count": source.count}
            checked = lint_task(draw, base)
            assert checked is not None
            return Task("prompts", params, {"dataset": dataset_task(draw, source), "lint": checked})
        case other:
            assert_never(other)


def validation_task(draw: Draw, count: int, skip: int) -> Task:
    """The prompts that follow the pool's in its log, after `skip` of them: in no pool and no evaluation."""
    match draw.recipe.pool.prompts:
        case AtlasPrompts() as source:
            params = {"source": plain(source), "world": draw.world, "seed": draw.seed("pool")}
            return Task("validation", params | {"skip": skip, "count": count}, {})
        case DatasetPrompts() as source:
            params = _drawn(draw, source) | {"first": source.count + skip, "count": count}
            return Task("validation", params, {"dataset": dataset_task(draw, source)})
        case other:
            assert_never(other)


def _drawn(draw: Draw, source: DatasetPrompts) -> dict[str, Any]:
    """How prompts are drawn from a dataset; of its own responses, each must have enough to choose from."""
    responses = draw.recipe.pool.responses
    least = responses.least if isinstance(responses, DatasetResponses) else 0
    return split_of(source) | {"least": least, "scored": _scored(draw), "seed": draw.seed("pool")}


def _scored(draw: Draw) -> bool:
    """Whether the dataset's own responses count only where it scores them: where it is the judge."""
    return isinstance(draw.recipe.pool.judge, judges.DataJudge)


def split_of(source: DatasetPrompts) -> dict[str, Any]:
    """How a dataset's prompts are divided between training and evaluation."""
    return {"held_out": source.held_out, "max_characters": source.max_characters}


def responses_task(draw: Draw, base: Task, prompts: Task, per_prompt: int) -> Task:
    """K responses for each prompt."""
    table = draw.recipe.pool.responses
    sampling = {"per_prompt": per_prompt, "seed": draw.seed("pool")}
    inputs = {"base_model": base, "prompts": prompts}
    match table:
        case SampledResponses(endpoint=None):
            return Task("responses", plain(table, "endpoint") | sampling, inputs, policy_knobs(draw))
        case SampledResponses(endpoint=endpoint):
            assert endpoint is not None
            params = plain(table, "endpoint") | sampling | {"endpoint": without_knobs(endpoint)}
            return Task("responses", params, {"prompts": prompts}, {"endpoint": knobs_of(endpoint)})
        case DatasetResponses():
            params = {"kind": table.kind, "per_prompt": per_prompt, "scored": _scored(draw)}
            return Task("responses", params, inputs | {"dataset": _data(draw)})
        case BothResponses():
            params = plain(table) | sampling | {"scored": False}
            return Task("responses", params, inputs | {"dataset": _data(draw)}, policy_knobs(draw))
        case _:
            assert_never(table)


def scores_task(draw: Draw, prompts: Task, responses: Task) -> Task:
    """The judge's scores of the pool's responses."""
    judge = draw.recipe.pool.judge
    data = {"dataset": _data(draw)} if isinstance(judge, judges.DataJudge) else {}
    params, knobs = judge_of(draw, judge)
    return Task("scores", params, {"prompts": prompts, "responses": responses, **data}, knobs)


def judge_of(draw: Draw, judge: judges.Judge) -> tuple[dict[str, Any], dict[str, Any]]:
    """A judge as the parameters and the knobs of a task."""
    table, knobs = without_knobs(judge), knobs_of(judge)
    if isinstance(judge, judges.RewardModelJudge | judges.LocalJudge):
        table, knobs = draw.content(judge, "name"), draw.where(judge, "name")
    return {"judge": table, "world": draw.world}, {"judge": knobs} if knobs else {}


def policy_knobs(draw: Draw) -> dict[str, Any]:
    """How a policy writes: its speed."""
    return {"sampling": plain(draw.recipe.sampling)}


def _data(draw: Draw) -> Task:
    source = draw.recipe.pool.prompts
    assert isinstance(source, DatasetPrompts)  # load_recipe refuses anything else
    return dataset_task(draw, source)
