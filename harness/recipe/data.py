"""The files that a recipe names, and whether its parts are about the same thing."""

from collections.abc import Iterator

from harness.recipe.endpoint import Endpoint
from harness.recipe.evaluation import (
    WORLD_TASK,
    AtlasHeldOutPrompts,
    FilePrompts,
    FileReference,
    HeldOutPrompts,
    MethodReference,
    OfficialPrompts,
    OfficialReference,
)
from harness.recipe.features import SentenceEmbedding
from harness.recipe.judges import DataJudge, Judge, LocalJudge, OracleJudge, RewardModelJudge
from harness.recipe.model import AtlasModel, HfModel
from harness.recipe.pool import (
    AtlasPrompts,
    BothResponses,
    DatasetPrompts,
    DatasetResponses,
    SampledResponses,
)
from harness.recipe.schema import Recipe
from harness.recipe.sources import Source
from harness.recipe.wording import show, suggestion

Named = tuple[str, str]
"""A dotted place of the recipe, and the file or folder that it names."""


def judges_of(recipe: Recipe) -> Iterator[tuple[str, Judge]]:
    """Every judge of a recipe, after its place."""
    yield "pool.judge", recipe.pool.judge
    yield "evaluation.alpaca_eval.judge", recipe.evaluation.alpaca_eval.judge
    if recipe.evaluation.mt_bench:
        yield "evaluation.mt_bench.judge", recipe.evaluation.mt_bench.judge


def sources_of(recipe: Recipe) -> Iterator[tuple[str, Source]]:
    """Every source of data of a recipe, after its place."""
    alpaca = recipe.evaluation.alpaca_eval
    if isinstance(recipe.pool.prompts, DatasetPrompts):
        yield "pool.prompts", recipe.pool.prompts
    if not isinstance(recipe.model, AtlasModel) and recipe.model.sft:
        yield "model.sft.data", recipe.model.sft.data
    if isinstance(alpaca.prompts, FilePrompts):
        yield "evaluation.alpaca_eval.prompts", alpaca.prompts
    if isinstance(alpaca.reference, FileReference):
        yield "evaluation.alpaca_eval.reference", alpaca.reference


def endpoints_of(recipe: Recipe) -> Iterator[tuple[str, Endpoint]]:
    """Every endpoint of a recipe, after its place."""
    responses = recipe.pool.responses
    if isinstance(responses, SampledResponses) and responses.endpoint:
        yield "pool.responses.endpoint", responses.endpoint
    for place, judge in judges_of(recipe):
        if isinstance(judge, Endpoint):
            yield place, judge


def local_files(recipe: Recipe) -> Iterator[Named]:
    """What a recipe names that must lie on this machine: no revision says that the hub has it."""
    for place, source in sources_of(recipe):
        if source.revision is None:
            yield f"{place}.path", source.path
    if isinstance(recipe.model, HfModel):
        if recipe.model.revision is None:
            yield "model.name", recipe.model.name
        if recipe.model.template is not None:
            yield "model.template", recipe.model.template
    for place, judge in judges_of(recipe):
        if isinstance(judge, RewardModelJudge | LocalJudge) and judge.revision is None:
            yield f"{place}.name", judge.name
    embedding = recipe.features.embedding
    if isinstance(embedding, SentenceEmbedding) and embedding.revision is None:
        yield "features.embedding.name", embedding.name
    prompts = recipe.evaluation.alpaca_eval.prompts
    if isinstance(prompts, OfficialPrompts) and prompts.path:
        yield "evaluation.alpaca_eval.prompts.path", prompts.path
    if recipe.evaluation.lm_eval and recipe.evaluation.lm_eval.include:
        yield "evaluation.lm_eval.include", recipe.evaluation.lm_eval.include
    if recipe.evaluation.mt_bench:
        yield "evaluation.mt_bench.questions", recipe.evaluation.mt_bench.questions


def data_problems(recipe: Recipe) -> Iterator[str]:
    """One sentence for each part of a recipe that is about other data, or another world, than the rest."""
    yield from _source_problems(recipe)
    yield from _world_problems(recipe)
    yield from _pool_problems(recipe)
    yield from _evaluation_problems(recipe)


def _source_problems(recipe: Recipe) -> Iterator[str]:
    """Keys that would be ignored where they stand."""
    for place, source in sources_of(recipe):
        for key in ("config", "split"):
            if source.revision is None and key in source.model_fields_set:
                yield (
                    f"{place}.{key}: a local file has none. Remove it, or give `revision` for a dataset of "
                    "the hub."
                )
    for place, endpoint in endpoints_of(recipe):
        if (endpoint.usd_per_million_in is None) != (endpoint.usd_per_million_out is None):
            yield f"{place}: a price is `usd_per_million_in` and `usd_per_million_out`. Give both or none."


def _world_problems(recipe: Recipe) -> Iterator[str]:
    """The embedded world's prompts, judge and task know nothing else, and nothing else knows its words."""
    of_world = isinstance(recipe.model, AtlasModel)
    held_out = recipe.evaluation.alpaca_eval.prompts
    parts = {
        "pool.prompts": isinstance(recipe.pool.prompts, AtlasPrompts),
        "evaluation.alpaca_eval.prompts": isinstance(held_out, AtlasHeldOutPrompts),
    }
    for place, atlas in parts.items():
        if atlas and not of_world:
            yield (
                f"{place}: 'atlas' is of the embedded world, and model.kind '{recipe.model.kind}' is not. "
                "Name a dataset, or use model.kind 'atlas'."
            )
        if of_world and not atlas:
            yield (
                f"{place}: the model of the embedded world knows only the world's words. Use kind 'atlas', "
                "or another model."
            )
    for place, judge in judges_of(recipe):
        if isinstance(judge, OracleJudge) and not of_world:
            yield f"{place}: 'oracle' knows the embedded world only. Name another judge."
    for task in recipe.evaluation.lm_eval.tasks if recipe.evaluation.lm_eval else ():
        if task == WORLD_TASK and not of_world:
            yield f"evaluation.lm_eval.tasks: '{WORLD_TASK}' is of the embedded world. Name other tasks."
        if task != WORLD_TASK and of_world:
            yield (
                f"evaluation.lm_eval.tasks: {show(task)} is not known here. The model of the embedded world "
                f"knows only the world's words. Known: {WORLD_TASK}."
            )


def _pool_problems(recipe: Recipe) -> Iterator[str]:
    pool = recipe.pool
    from_data = isinstance(pool.prompts, DatasetPrompts)
    if isinstance(pool.responses, DatasetResponses | BothResponses) and not from_data:
        yield (
            f"pool.responses: '{pool.responses.kind}' needs pool.prompts of kind 'dataset'. "
            "Change one of the two."
        )
    if isinstance(pool.responses, DatasetResponses):
        for name, method in recipe.methods.items():
            if (method.responses_per_prompt or 0) > pool.responses.least:
                yield (
                    f"methods.{name}.responses_per_prompt: must be at most pool.responses.least "
                    f"({pool.responses.least}), as each prompt has so many of its own. "
                    f"Got {method.responses_per_prompt}. Raise `least`."
                )
    for place, judge in judges_of(recipe):
        if not isinstance(judge, DataJudge):
            continue
        if place != "pool.judge":
            yield f"{place}: 'dataset' has scores of its own responses only. Name another judge."
        elif not isinstance(pool.responses, DatasetResponses):
            yield (
                f"pool.judge: 'dataset' has no scores of sampled responses, and pool.responses is "
                f"'{pool.responses.kind}'. Name another judge, or use responses of kind 'dataset'."
            )


def _evaluation_problems(recipe: Recipe) -> Iterator[str]:
    alpaca, pool = recipe.evaluation.alpaca_eval, recipe.pool.prompts
    prompts, reference = alpaca.prompts, alpaca.reference
    if isinstance(prompts, HeldOutPrompts) and not isinstance(pool, DatasetPrompts):
        yield (
            "evaluation.alpaca_eval.prompts: 'held-out' are the prompts that the pool's dataset sets apart. "
            "Use pool.prompts of kind 'dataset', or other prompts."
        )
    if isinstance(prompts, HeldOutPrompts) and isinstance(pool, DatasetPrompts) and not pool.held_out:
        yield (
            "pool.prompts.held_out: must be more than 0 where the evaluation prompts are 'held-out'. Got 0."
        )
    if isinstance(prompts, FilePrompts) and isinstance(pool, DatasetPrompts) and _same(prompts, pool):
        yield (
            "evaluation.alpaca_eval.prompts: are those of the pool. Use kind 'held-out', which sets a part "
            "of them apart, or another dataset."
        )
    if isinstance(prompts, OfficialPrompts) and (prompts.path is None) == (prompts.revision is None):
        yield "evaluation.alpaca_eval.prompts: 'official' needs either a `path` or a `revision` of the hub."
    if isinstance(reference, OfficialReference) and not isinstance(prompts, OfficialPrompts):
        yield (
            "evaluation.alpaca_eval.reference: 'official' goes with the prompts of kind 'official'. "
            "Change one of the two."
        )
    if isinstance(reference, MethodReference) and reference.method not in recipe.methods:
        yield (
            f"evaluation.alpaca_eval.reference.method: no method is called '{reference.method}'."
            + suggestion(reference.method, list(recipe.methods))
        )


def _same(one: Source, other: Source) -> bool:
    """Whether two sources are one dataset, in whatever format it is read."""
    keys = {"path", "revision", "config", "split"}
    return one.model_dump(include=keys) == other.model_dump(include=keys)
