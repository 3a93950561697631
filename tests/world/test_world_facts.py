"""A world has the stated shape, comes from its seed alone, and favours nothing that is asked often."""

import itertools
from collections.abc import Mapping

import numpy as np

from harness.world.facts import World, make_world
from harness.world.lexicon import ATTRIBUTE_OF, NAMES, TOPICS, VALUES
from harness.world.prompts import PHRASINGS


def known_by_topic(world: World) -> Mapping[str, float]:
    return {
        topic: float(np.mean([fact.known for fact in world.facts.values() if fact.entity in entities]))
        for topic, entities in world.entities.items()
    }


def test_shape() -> None:
    """8 topics x 5 entities x 5 attributes = 200 facts."""
    world = make_world(0)
    assert set(world.entities) == set(TOPICS)
    topic_of = {entity: topic for topic, entities in world.entities.items() for entity in entities}
    assert len(topic_of) == 40
    assert len(world.facts) == 200
    for (entity, attribute), fact in world.facts.items():
        assert (fact.entity, fact.attribute) == (entity, attribute)
        assert attribute in TOPICS[topic_of[entity]]
        assert {fact.truth, fact.misconception} <= set(VALUES[attribute])
        assert fact.truth != fact.misconception
        assert 0 <= fact.known <= 1


def test_the_seed_decides() -> None:
    assert make_world(3) == make_world(3)
    assert make_world(3).facts != make_world(4).facts


def test_a_value_word_names_its_attribute() -> None:
    """10 attributes x 6 values, no word twice, none of them a word of a prompt, a name or an attribute."""
    assert len(ATTRIBUTE_OF) == sum(len(values) for values in VALUES.values()) == 60
    words = {
        word for phrasing in itertools.chain.from_iterable(PHRASINGS.values()) for word in phrasing.split()
    }
    assert not set(ATTRIBUTE_OF) & (words | set(NAMES) | set(VALUES))
    assert not set(NAMES) & (words | set(VALUES))
    assert len(set(NAMES)) == len(NAMES)


def test_knowledge_is_graded_by_topic() -> None:
    """Topic means are 0.10, 0.22, ... 0.95, each over 25 facts of sd at most 0.22 (Beta, a + b = 4).

    The mean of 25 then has sd at most 0.045, and its mean over 30 worlds at most 0.008.
    """
    sorted_means = np.mean([sorted(known_by_topic(make_world(seed)).values()) for seed in range(30)], axis=0)
    assert np.allclose(sorted_means, np.linspace(0.10, 0.95, 8), atol=0.04)


def test_popular_topics_are_not_better_known() -> None:
    """Popularity and knowledge are drawn apart, so their correlation averages to 0.

    For 8 topics it has sd 1 / sqrt(7) = 0.38; over 60 worlds the mean has sd 0.05.
    """
    correlations = [
        np.corrcoef(range(8), list(known_by_topic(make_world(seed)).values()))[0, 1] for seed in range(60)
    ]
    assert abs(np.mean(correlations)) < 0.15
