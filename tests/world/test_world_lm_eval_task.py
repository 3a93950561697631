"""The task holds every fact once, and lm-eval reads it as the other parts read prompts."""

from pathlib import Path

import numpy as np
import pytest

from harness.evaluation.lm_eval import run_tasks
from harness.models.chat import encode
from harness.models.load import load_policy
from harness.models.logprobs import sequence_logprobs
from harness.world.base_model import SftSettings, train_base_model
from harness.world.facts import make_world
from harness.world.lm_eval_task import TASK, task_items, write_task
from harness.world.prompts import training_half

WORLD = make_world(0)


def test_items() -> None:
    items = task_items(WORLD)
    training = {prompt.text for prompt in training_half(WORLD)}
    assert {item.id for item in items} == {f"{entity}.{attribute}" for entity, attribute in WORLD.facts}
    assert len(items) == 200
    for item in items:
        entity, attribute = item.id.split(".")
        truth = WORLD.facts[entity, attribute].truth
        assert item.question not in training
        assert item.choices[item.answer] == f"the {attribute} of {entity} is {truth} ."
        assert len(set(item.choices)) == 6
        assert {len(choice.split()) for choice in item.choices} == {7}


def test_the_true_choice_has_no_favourite_place() -> None:
    """1,000 items of 5 worlds, 6 places: 167 each, sd 11.8."""
    places = np.bincount([item.answer for seed in range(5) for item in task_items(make_world(seed))])
    assert np.abs(places - 1000 / 6).max() < 4 * 11.8


def test_lm_eval_agrees_with_own_count(tmp_path: Path) -> None:
    """Own count: the choice with the largest log-probability after the prompt as `encode` renders it."""
    shape = SftSettings(steps=20, hidden=32, layers=1, heads=2, intermediate=64, learning_rate=1e-2)
    train_base_model(WORLD, tmp_path / "base", shape)
    policy = load_policy(tmp_path / "base")
    items = task_items(WORLD)
    rows = [
        encode(policy.tokenizer, item.question, choice, False) for item in items for choice in item.choices
    ]
    picked = sequence_logprobs(policy, rows).reshape(len(items), 6).argmax(axis=1)
    right = [float(pick == item.answer) for pick, item in zip(picked, items, strict=True)]
    write_task(WORLD, tmp_path / "tasks")
    result = run_tasks(policy, [TASK], tmp_path / "tasks")
    assert result.scores[f"{TASK}.acc"] == pytest.approx(np.mean(right))
    assert list(result.items[f"{TASK}.acc"].values()) == right
