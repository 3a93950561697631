"""The two halves share no text, the log is skewed, the held-out prompts are not."""

import json
from collections import Counter

import numpy as np
import pytest

from harness.errors import BadInput
from harness.world.facts import make_world
from harness.world.prompts import (
    SHARES,
    all_questions,
    held_out_half,
    held_out_prompts,
    kind_weights,
    split,
    training_half,
    training_prompts,
)

WORLD = make_world(0)


def test_sizes_of_the_halves() -> None:
    """Questions x phrasings, a third of the phrasings held out.

    fact 200 x 3, one-word 200 x 3, list 40 entities x 3 counts x 6, describe 40 x 9, compare 8 topics x 10
    pairs x 5 attributes x 3, inapplicable 40 x 5 other attributes x 3: 4,080 texts in all.
    """
    expected = {
        "fact": 200,
        "one-word": 200,
        "list": 240,
        "describe": 120,
        "compare": 400,
        "inapplicable": 200,
    }
    held_out, training = held_out_half(WORLD), training_half(WORLD)
    assert Counter(prompt.meta["kind"] for prompt in held_out) == expected
    assert Counter(prompt.meta["kind"] for prompt in training) == {
        kind: 2 * count for kind, count in expected.items()
    }
    assert len(training) == 2720
    assert len(held_out) == 1360


def test_no_text_and_no_id_twice() -> None:
    prompts = training_half(WORLD) + held_out_half(WORLD)
    assert len({prompt.text for prompt in prompts}) == len({prompt.id for prompt in prompts}) == 4080


@pytest.mark.parametrize("seed", range(3))
def test_halves_are_disjoint_for_every_seed(seed: int) -> None:
    """Even the longest log of one seed and the longest test of another share no text."""
    training = training_prompts(WORLD, 2720, seed)
    held_out = held_out_prompts(WORLD, 1360, seed + 1)
    assert not {prompt.text for prompt in training} & {prompt.text for prompt in held_out}


def test_every_question_is_in_both_halves() -> None:
    for question in all_questions(WORLD):
        training, held_out = split(question)
        assert len(training) == 2 * len(held_out) > 0


def test_the_seed_decides_and_a_short_log_begins_a_long_one() -> None:
    log = training_prompts(WORLD, 640, seed=5)
    assert log[:100] == training_prompts(WORLD, 100, seed=5)
    assert log != training_prompts(WORLD, 640, seed=6)
    assert len({prompt.id for prompt in log}) == 640


def test_kinds_keep_their_shares() -> None:
    """The weights of a kind sum to its share; within it they follow what they were given."""
    prompts = training_half(WORLD)
    asked = np.arange(1.0, len(prompts) + 1)
    weights = kind_weights(prompts, asked)
    kinds = np.array([prompt.meta["kind"] for prompt in prompts])
    for kind, share in SHARES.items():
        rows = np.flatnonzero(kinds == kind)
        assert weights[rows].sum() == pytest.approx(share)
        assert weights[rows[1]] / weights[rows[0]] == pytest.approx(asked[rows[1]] / asked[rows[0]])


def test_the_log_is_skewed() -> None:
    """Zipf 0.8 over 8 topics: the first is asked 8**0.8 = 5.3 times as often as the last.

    Drawing without replacement flattens it a little. A topic's first entity is asked 5**0.8 = 3.6 times as
    often as its last. Counted over the first 150 prompts of 5 logs.
    """
    logs = [prompt for seed in range(5) for prompt in training_prompts(WORLD, 150, seed)]
    topics = Counter(prompt.meta["topic"] for prompt in logs)
    order = list(WORLD.entities)
    assert 3 < topics[order[0]] / topics[order[-1]] < 7
    entities = Counter(entity for prompt in logs for entity in prompt.meta["entities"])
    first = sum(entities[names[0]] for names in WORLD.entities.values())
    last = sum(entities[names[-1]] for names in WORLD.entities.values())
    assert 2 < first / last < 5


def test_held_out_prompts_are_uniform_over_topics() -> None:
    """300 / 8 = 37.5 of each topic; the mean over 5 seeds has sd of at most 2.6; four are allowed."""
    counts = Counter(
        prompt.meta["topic"] for seed in range(5) for prompt in held_out_prompts(WORLD, 300, seed)
    )
    assert all(abs(count / 5 - 37.5) < 10.4 for count in counts.values())
    assert len(counts) == 8


@pytest.mark.parametrize("count", [2721, -1])
def test_more_than_there_are_is_refused(count: int) -> None:
    with pytest.raises(BadInput, match="between 0 and 2720"):
        training_prompts(WORLD, count, 0)


def test_meta_survives_json() -> None:
    """The oracle may grade a prompt that was written to a file and read again."""
    for prompt in held_out_half(WORLD):
        assert json.loads(json.dumps(prompt.meta)) == prompt.meta
