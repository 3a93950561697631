"""Exact breadth and depth of what a policy knows: every fact, every entity, nothing sampled."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.data.rows import Prompt
from harness.world.facts import World
from harness.world.oracle import grade
from harness.world.prompts import all_questions, split


@dataclass(frozen=True)
class Knowledge:
    """What a policy knows, by item.

    `breadth` maps each fact, "entity.attribute", to 1.0 where the policy tells it truly, asked for it alone,
    else 0.0. `depth` maps each entity to the share of its attributes that its description tells truly.
    The two measures are the means of the values.
    """

    breadth: Mapping[str, float]
    depth: Mapping[str, float]


def knowledge_prompts(world: World) -> list[Prompt]:
    """One held-out fact prompt for each fact, and one held-out describe prompt for each entity: 200 + 40."""
    asked = (question for question in all_questions(world) if question.kind in ("fact", "describe"))
    return [split(question)[1][0] for question in asked]


def knowledge(world: World, answers: Mapping[str, str]) -> Knowledge:
    """Grade the greedy answers to `knowledge_prompts`, given by prompt id. A missing answer is a KeyError."""
    breadth: dict[str, float] = {}
    depth: dict[str, float] = {}
    for prompt in knowledge_prompts(world):
        measure = breadth if prompt.meta["kind"] == "fact" else depth
        measure[_item(prompt)] = grade(world, prompt, answers[prompt.id]).completeness
    return Knowledge(breadth, depth)


def _item(prompt: Prompt) -> str:
    entity = prompt.meta["entities"][0]
    return f"{entity}.{prompt.meta['attributes'][0]}" if prompt.meta["kind"] == "fact" else str(entity)
