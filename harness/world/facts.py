"""The facts of one Atlas world, and how well the teacher knows each of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.world.lexicon import NAMES, TOPICS, VALUES

ENTITIES_PER_TOPIC = 5
TOPIC_KNOWLEDGE = (0.10, 0.95)
"""Mean probability that the teacher tells the truth, of the worst-known and of the best-known topic."""
CONCENTRATION = 4.0
"""a + b of the Beta law of the facts of one topic: at 4 the facts of one topic differ clearly."""


@dataclass(frozen=True)
class Fact:
    """One attribute of one entity.

    `known` is the probability that the teacher says `truth`; `misconception` is its favourite wrong value.
    """

    entity: str
    attribute: str
    truth: str
    misconception: str
    known: float


@dataclass(frozen=True)
class World:
    """All facts of one seed.

    `entities` maps each topic to its entities. Both are in the order of popularity, most asked about
    first. `facts` is keyed by (entity, attribute) and holds the attributes that apply, no others.
    """

    seed: int
    entities: Mapping[str, tuple[str, ...]]
    facts: Mapping[tuple[str, str], Fact]


def make_world(seed: int) -> World:
    """Draw a world: 8 topics x 5 entities x 5 attributes = 200 facts.

    Knowledge is graded by topic, from hopeless to mastered, and popularity is drawn apart from it: what
    is asked often is not better known for that.
    """
    rng = np.random.default_rng([seed, 0])
    topics = [str(topic) for topic in rng.permutation(list(TOPICS))]
    names = [str(name) for name in rng.permutation(NAMES)]
    knowledge = rng.permutation(np.linspace(*TOPIC_KNOWLEDGE, len(topics)))
    entities = {
        topic: tuple(names[index * ENTITIES_PER_TOPIC : (index + 1) * ENTITIES_PER_TOPIC])
        for index, topic in enumerate(topics)
    }
    facts = {
        (entity, attribute): _draw_fact(rng, entity, attribute, float(mean))
        for topic, mean in zip(topics, knowledge, strict=True)
        for entity in entities[topic]
        for attribute in TOPICS[topic]
    }
    return World(seed, entities, facts)


def _draw_fact(rng: np.random.Generator, entity: str, attribute: str, mean: float) -> Fact:
    """One fact: truth and misconception uniform over the values, `known` ~ Beta with the topic's mean."""
    truth, misconception = (str(value) for value in rng.permutation(VALUES[attribute])[:2])
    known = rng.beta(CONCENTRATION * mean, CONCENTRATION * (1 - mean))
    return Fact(entity, attribute, truth, misconception, float(known))
