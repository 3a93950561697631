"""Runs that are killed at random moments come to the board of an unbroken run.

The long version is `nox -s faults`; `benchmarks/kills.py` says how runs are killed and what is compared.
"""

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.kills import KILLS, Campaign, campaign, ended_well

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
[evaluation.lm_eval]
limit = 12
[methods.dpo]
responses_per_prompt = 4
breadth = { kind = "clusters" }
depth = { kind = "gradient-clusters", pairs = 2, clusters = 3 }
"""


def check(recipe: str, kills: int, seed: int) -> None:
    seen = campaign(recipe, kills, seed, log=True)
    assert seen.kills.total() >= kills
    assert seen.boards >= 1
    assert (seen.other_boards, seen.damaged, seen.made_twice, seen.unexplained) == (0, [], [], [])


def test_a_run_that_fails_by_itself_must_say_that_it_lost_a_worker() -> None:
    """These end as a run does: well, with the sentence, and without a word."""
    told = "adapter of dpo failed: the worker process died (signal SIGKILL); was the machine out of memory?"
    for words, unexplained in (("exit 0", []), (f"echo '{told}' >&2; exit 1", []), ("exit 1", [""])):
        seen = Campaign()
        with subprocess.Popen(["sh", "-c", words], stderr=subprocess.PIPE) as run:
            assert ended_well(run, seen) == (words == "exit 0")
        assert seen.unexplained == unexplained


@pytest.mark.slow
def test_a_few_kills() -> None:
    check(SMALL, kills=2, seed=1)


@pytest.mark.slow  # so that `-m 'not slow'`, which takes the place of the default, leaves it out too
@pytest.mark.faults
def test_as_many_kills_as_the_benchmark() -> None:
    kills = int(os.environ.get("HARNESS_KILLS", KILLS))
    check((ROOT / "recipes" / "smoke.toml").read_text(), kills, seed=2)
