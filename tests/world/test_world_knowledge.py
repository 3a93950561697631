"""Breadth and depth from answers whose truth is known by construction."""

import numpy as np
import pytest

from harness.world.facts import make_world
from harness.world.knowledge import knowledge, knowledge_prompts
from harness.world.prompts import training_half
from harness.world.teacher import clean_answer

WORLD = make_world(0)
PROMPTS = knowledge_prompts(WORLD)
CLEAN = {prompt.id: clean_answer(WORLD, prompt) for prompt in PROMPTS}


def test_every_fact_and_every_entity_once() -> None:
    """200 facts + 40 entities, asked in phrasings that no training sees."""
    assert len(PROMPTS) == 240
    known = knowledge(WORLD, CLEAN)
    assert set(known.breadth) == {f"{entity}.{attribute}" for entity, attribute in WORLD.facts}
    assert set(known.depth) == {entity for entity, _ in WORLD.facts}
    assert not {prompt.text for prompt in PROMPTS} & {prompt.text for prompt in training_half(WORLD)}


def test_who_knows_all_and_who_knows_nothing() -> None:
    known = knowledge(WORLD, CLEAN)
    assert set(known.breadth.values()) == set(known.depth.values()) == {1.0}
    unknown = knowledge(WORLD, dict.fromkeys(CLEAN, "i do not know ."))
    assert set(unknown.breadth.values()) == set(unknown.depth.values()) == {0.0}


def test_breadth_and_depth_are_apart() -> None:
    """Descriptions that stop after two facts: depth 2 / 5, breadth still 1."""
    answers = CLEAN | {
        prompt.id: " ".join(CLEAN[prompt.id].split()[:7])
        for prompt in PROMPTS
        if prompt.meta["kind"] == "describe"
    }
    known = knowledge(WORLD, answers)
    assert np.mean(list(known.breadth.values())) == 1
    assert np.mean(list(known.depth.values())) == pytest.approx(0.4)


def test_a_missing_answer_is_an_error() -> None:
    with pytest.raises(KeyError):
        knowledge(WORLD, dict(list(CLEAN.items())[1:]))
