"""Runs that are killed at random moments come to the board of an unbroken run.

The long version is `nox -s faults`; `benchmarks/kills.py` says how runs are killed and what is compared.
"""

import os
from pathlib import Path

import pytest

from benchmarks.kills import KILLS, campaign

ROOT = Path(__file__).parents[2]

SMALL = """
title = "One method, as small as it gets"
baseline = "dpo"
[seeds]
replicates = [0]
[model]
kind = "atlas"
sft_steps = 20
[pool]
prompts = { kind = "atlas", count = 12 }
responses = { kind = "sample", max_new_tokens = 12 }
[budget]
responses = 24
[features]
gradients = { rank = 4, dim = 64 }
[training]
steps = 3
pairs_per_step = 4
learning_rate = 3e-3
[evaluation.alpaca_eval]
prompts = { kind = "atlas", count = 12 }
samples_per_prompt = 1
max_new_tokens = 12
[methods.dpo]
responses_per_prompt = 4
breadth = { kind = "clusters" }
depth = { kind = "gradient-clusters", pairs = 2, clusters = 3 }
"""


def check(recipe: str, kills: int, seed: int) -> None:
    seen = campaign(recipe, kills, seed, log=True)
    assert seen.kills.total() >= kills
    assert seen.boards >= 1
    assert (seen.other_boards, seen.damaged, seen.made_twice) == (0, [], [])


@pytest.mark.slow
def test_a_few_kills() -> None:
    check(SMALL, kills=2, seed=1)


@pytest.mark.slow  # so that `-m 'not slow'`, which takes the place of the default, leaves it out too
@pytest.mark.faults
def test_as_many_kills_as_the_benchmark() -> None:
    kills = int(os.environ.get("HARNESS_KILLS", KILLS))
    check((ROOT / "recipes" / "smoke.toml").read_text(), kills, seed=2)
