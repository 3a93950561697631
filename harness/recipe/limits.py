"""What no run of a recipe can give, and what only looks as if it did: refused before anything runs."""

from collections.abc import Iterator, Mapping

from harness.recipe.pool import TRAINING_PROMPTS, AtlasPrompts
from harness.recipe.rules import (
    GradientClustersDepth,
    InfluenceDepth,
    LongestPairing,
    RandomDepth,
    UniformDepth,
)
from harness.recipe.schema import Method, Recipe, Seeds
from harness.recipe.wording import show


def limit_problems(recipe: Recipe, prompts: Mapping[str, int]) -> Iterator[str]:
    """One sentence for each problem; `prompts` says how many of them each training method uses."""
    yield from _seed_problems(recipe.seeds)
    lm_eval = recipe.evaluation.lm_eval
    if lm_eval and len(set(lm_eval.tasks)) < len(lm_eval.tasks):
        yield f"evaluation.lm_eval.tasks: each task once. Got {show(lm_eval.tasks)}."
    yield from _step_problems(recipe, prompts)
    yield from _world_problems(recipe)
    for name, count in prompts.items():
        method = recipe.methods[name]
        for problem in _method_problems(method, count, has_budget=recipe.budget.pairs is not None):
            yield f"methods.{name}.{problem}"


def _world_problems(recipe: Recipe) -> Iterator[str]:
    """The pool's prompts, those that methods are tuned on and those that guide a selection are all others."""
    if not isinstance(recipe.pool.prompts, AtlasPrompts):
        return
    taken = recipe.pool.prompts.count
    if recipe.tuning:
        taken += recipe.tuning.prompts
        if taken > TRAINING_PROMPTS:
            yield (
                f"tuning.prompts: with the pool's {recipe.pool.prompts.count} they are {taken} prompts, but "
                f"the world has {TRAINING_PROMPTS} for training. Lower one of the two."
            )
    for name, method in recipe.methods.items():
        own = method.depth.validation if isinstance(method.depth, InfluenceDepth) else 0
        if own and taken <= TRAINING_PROMPTS < taken + own:
            yield (
                f"methods.{name}.depth.validation: with the {taken} prompts of pool and tuning they are "
                f"{taken + own}, but the world has {TRAINING_PROMPTS} for training. Lower one of them."
            )


def _step_problems(recipe: Recipe, prompts: Mapping[str, int]) -> Iterator[str]:
    """Steps that do not reach all pairs: those of the budget, or those of all prompts."""
    training, budget = recipe.training, recipe.budget.pairs
    if training.prompts_per_step is not None:
        most = training.steps * training.prompts_per_step
        for name, count in prompts.items():
            if count > most:
                yield (
                    f"training.steps: {training.steps} steps of {training.prompts_per_step} prompts reach "
                    f"at most {most}, but methods.{name} has {count}. Raise the steps."
                )
    elif budget is not None and budget > training.steps * training.pairs_per_step:
        yield (
            f"training.steps: {training.steps} steps of {training.pairs_per_step} pairs train on at most "
            f"{training.steps * training.pairs_per_step}, but budget.pairs is {budget}. Raise the steps, or "
            "lower the budget."
        )


def _seed_problems(seeds: Seeds) -> Iterator[str]:
    if len(set(seeds.vary)) < len(seeds.vary):
        yield f"seeds.vary: each role once. Got {show(seeds.vary)}."
    if len(seeds.replicates) > 1 and not seeds.vary:
        yield (
            f"seeds.vary: where nothing is drawn anew, {len(seeds.replicates)} replicates are copies of one. "
            "Name a role, or keep one replicate."
        )


def _method_problems(method: Method, prompts: int, has_budget: bool) -> Iterator[str]:
    per_prompt, depth = method.responses_per_prompt or 1, method.depth
    most = per_prompt * (per_prompt - 1) // 2
    if isinstance(method.pairing, LongestPairing) and not isinstance(depth, UniformDepth | RandomDepth):
        yield (
            "pairing: 'longest' puts lengths in the place of scores, so it needs a depth that looks at "
            "neither: 'uniform' or 'random'. Change one of the two."
        )
    mean = depth.pairs or 1
    if not has_budget and not isinstance(depth, UniformDepth) and min(depth.minimum, most) > mean:
        yield (
            f"depth.minimum: must be at most depth.pairs ({mean}{'' if depth.pairs else ' by default'}), the "
            f"mean. Got {depth.minimum}."
        )
    if isinstance(depth, GradientClustersDepth) and depth.clusters > prompts * most > 0:
        yield (
            f"depth.clusters: {prompts} prompts with {per_prompt} responses each make at most "
            f"{prompts * most} pairs to cluster. Got {depth.clusters}."
        )
