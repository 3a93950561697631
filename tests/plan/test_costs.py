"""Costs by formula, derived by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
from plans import planned

from harness.plan.amounts import Facts
from harness.plan.costs import Estimate, Work, gpu_seconds, work_of
from harness.plan.task import Task

REVISION = "a" * 40
N, J, PER_RANK = 1000.0, 500.0, 20.0
FACTS = Facts(prompt=10, answer=6, parameters={"": N, "judge/of": J}, per_rank=PER_RANK)


def recipe(
    training: str = "",
    judge: str = "",
    responses: str = "",
    alpaca: str = "",
    method: str = "",
    dtype: str = "fp32",
) -> str:
    """8 prompts x 4 responses of at most 8 tokens, on 6 held-out prompts with 2 samples of at most 12."""
    return f"""
title = "t"
baseline = "m"
[seeds]
replicates = [0]
[model]
kind = "hf"
name = "owner/model-1B"
revision = "{REVISION}"
dtype = "{dtype}"
[pool]
prompts = {{ kind = "dataset", path = "owner/data", revision = "{REVISION}", count = 8 }}
responses = {{ {responses or 'kind = "sample", max_new_tokens = 8'} }}
judge = {{ {judge or 'kind = "length"'} }}
[budget]
responses = 32
[features]
gradients = {{ rank = 2, dim = 16 }}
[training]
steps = 5
pairs_per_step = 4
learning_rate = 1e-3
lora_rank = 3
{training}
[evaluation.alpaca_eval]
prompts = {{ kind = "held-out", count = 6 }}
samples_per_prompt = 2
max_new_tokens = 12
judge = {{ {alpaca or 'kind = "length"'} }}
[methods.m]
responses_per_prompt = 4
{method}
"""


def work(folder: Path, stage: str, facts: Facts = FACTS, **tables: str) -> Work:
    """The cost of the plan's first task of a stage, but for what it writes: that is in `test_disk.py`."""
    return replace(work_of(first(folder, stage, **tables), facts), bytes=0)


def first(folder: Path, stage: str, **tables: str) -> Task:
    return next(task for task in planned(folder, recipe(**tables)).tasks if task.stage == stage)


def test_sampling_runs_prompt_and_response_once_forward(tmp_path: Path) -> None:
    """8 x 4 rows of 10 + 8 / 2 tokens are 448; 2 x 1000 x 448 FLOPs. Outputs: 6 x 2 x (10 + 6) = 192."""
    assert work(tmp_path, "responses") == Work(forward=448, flops=896_000)
    assert work(tmp_path, "outputs") == Work(forward=192, flops=384_000)


def test_given_responses_cost_nothing_and_mixed_ones_are_between(tmp_path: Path) -> None:
    """Of both kinds: (4 + 6) / 2 = 5 tokens in the mean; 32 x 15 = 480."""
    assert work(tmp_path, "responses", responses='kind = "dataset", least = 4') == Work()
    both = work(tmp_path, "responses", responses='kind = "both", max_new_tokens = 8')
    assert both.forward == 480


def test_the_gradient_bank_goes_back(tmp_path: Path) -> None:
    """448 tokens each way: 2 N 448 + 2 (N + 2 x 20) 448 = 1,827,840."""
    method = 'depth = { kind = "gradient-clusters", pairs = 2, clusters = 2 }'
    assert work(tmp_path, "gradients", method=method) == Work(448, 448, 1_827_840)
    assert work(tmp_path, "logprobs") == Work(448, 0, 896_000)


def test_training_on_whole_prompts_reads_each_once(tmp_path: Path) -> None:
    """2 pairs a prompt: 4 pairs are 2 prompts, each 10 + 4 responses x 4 = 26 tokens; 5 steps are 260.

    2 N 260 + 2 (N + 3 x 20) 260 = 520,000 + 551,200.
    """
    method = 'depth = { kind = "uniform", pairs = 2 }'
    assert work(tmp_path, "adapter", method=method) == Work(260, 260, 1_071_200)


def test_training_on_pairs_reads_each_with_its_prompt(tmp_path: Path) -> None:
    """5 x 4 pairs x 2 x (10 + 4) = 560 tokens; everything trained: 2 N 560 + 4 N 560 FLOPs. TRL's reference
    reads both rows of all 8 pairs, 16 x 14 = 224 tokens, at 2 N each.
    """
    text = recipe(training='batching = "pairs"\nweights = "full"').replace("lora_rank = 3\n", "")
    task = next(task for task in planned(tmp_path, text).tasks if task.stage == "adapter")
    assert work_of(task, FACTS) == Work(784, 560, 3_808_000, bytes=4000)  # 1,000 parameters in fp32


def test_a_reward_model_reads_what_it_scores_and_both_that_it_compares(tmp_path: Path) -> None:
    """Scores: 32 x 14 tokens through 500 parameters. Contests: 12 x 2 x (10 + 6) = 384 tokens."""
    judge = f'kind = "reward-model", name = "judge/of", revision = "{REVISION}"'
    assert work(tmp_path, "scores", judge=judge) == Work(448, flops=448_000, calls=32)
    assert work(tmp_path, "alpaca_eval", alpaca=judge) == Work(384, flops=384_000, calls=12)


ENDPOINT = 'kind = "endpoint", base_url = "http://h/v1", model = "m", max_tokens = 100'


def test_an_endpoint_costs_at_most_its_longest_answers(tmp_path: Path) -> None:
    """12 contests in two orders: 24 calls of 250 + 10 + 2 x 6 = 272 tokens in and 100 out.

    At 2 and 10 dollars a million: 24 x (544 + 1000) / 1e6 = 0.037056.
    """
    priced = ENDPOINT + ", both_orders = true, usd_per_million_in = 2.0, usd_per_million_out = 10.0"
    found = work(tmp_path, "alpaca_eval", alpaca=priced)
    assert found.calls == 24
    assert found.usd == pytest.approx(0.037056)
    assert found.flops == 0


def test_prices_come_from_the_table_where_the_recipe_has_none(tmp_path: Path) -> None:
    """32 scores of 250 + 10 + 4 tokens at one dollar a million in and nothing out: 32 x 264 / 1e6."""
    table = Facts(10, 6, {}, price=lambda base_url, model: (1.0, 0.0) if model == "m" else None)
    assert work(tmp_path, "scores", table, judge=ENDPOINT).usd == pytest.approx(32 * 264 / 1e6)
    unpriced = work(tmp_path, "scores", judge=ENDPOINT)
    assert (unpriced.usd, unpriced.unpriced) == (0, 32)


def test_a_weighted_verdict_is_one_token(tmp_path: Path) -> None:
    """12 calls of 272 in and one out, at 0 and 1 million dollars a million."""
    weighted = ENDPOINT + ', template = "weighted_alpaca_eval_gpt4_turbo"'
    table = Facts(10, 6, {}, price=lambda base_url, model: (0.0, 1e6))
    assert work(tmp_path, "alpaca_eval", table, alpaca=weighted).usd == 12


def test_each_two_methods_are_judged_in_each_replicate_both_ways_round(tmp_path: Path) -> None:
    """Three pairs in two replicates are 6 tasks of 12 contests, so 144 calls. Each sends 250 + 10 + 2 x 6
    tokens, as null's given answer has 6 too: 144 x (272 x 2 + 100 x 10) / 1e6 dollars.
    """
    priced = ENDPOINT + ", usd_per_million_in = 2.0, usd_per_million_out = 10.0"
    other = '[methods.n]\nresponses_per_prompt = 4\npairing = { kind = "best-worst" }\n'
    more = other + '[methods.null]\nanswer = "no"\n'
    text = recipe(alpaca=priced).replace("replicates = [0]", "replicates = [0, 1]") + more
    plan = planned(tmp_path, text + "[evaluation]\nhead_to_head = true\n")
    found = Estimate(FACTS).add(plan.tasks).stages["head_to_head"]
    assert found.calls == 144
    assert found.usd == pytest.approx(144 * 1544 / 1e6)


def test_implicit_accuracy_reads_two_sides_twice(tmp_path: Path) -> None:
    """6 prompts x best and worst x policy and reference x 16 tokens are 384; a grader scores 12 samples."""
    assert work(tmp_path, "preference") == Work(384, flops=768_000, calls=12)


def test_one_sample_of_the_reference_makes_no_pair(tmp_path: Path) -> None:
    plan = planned(tmp_path, recipe().replace("samples_per_prompt = 2", "samples_per_prompt = 1"))
    assert "preference" not in {task.stage for task in plan.tasks}


def test_hours_follow_from_how_a_stage_uses_the_machine(tmp_path: Path) -> None:
    """Writing at 100 and reading at 1,000 FLOPs a second: 896,000 FLOPs are 8,960 s and 896 s."""
    plan = planned(tmp_path, recipe())
    tasks = [task for task in plan.tasks if task.stage in {"responses", "logprobs"}]
    estimate = Estimate(FACTS).add(tasks)
    assert gpu_seconds(estimate, 1000, 100) == {"responses": 8960, "logprobs": 896}
    assert estimate.total.flops == 2 * 896_000
