"""The stored reference in training: when it is read, as the plan says, and that it is the same in bf16."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pool_of_words import gradient_params, run_stage, write_pool
from recipe_documents import REAL, draw_of

from harness.data.rows import Prompt, Response
from harness.data.tokens import Encoded, pad
from harness.models.chat import encode
from harness.models.load import Policy, load_policy
from harness.models.source import Source, write_source
from harness.plan.amounts import Facts
from harness.plan.build import build_plan
from harness.plan.costs import work_of
from harness.plan.task import Task
from harness.stages import adapter, gradients, logprobs, pairs
from harness.store.formats import LOGPROBS, RESULT, read_json, read_matrix, read_rows
from harness.training.arithmetic import load_to_train
from harness.training.reference import make_reference
from harness.training.settings import Precision, Weights

ROWS = Facts(prompt=0, answer=1, parameters={})
"""With responses of one token, what an estimate reads for the reference are rows."""


def planned(dtype: str, loss: str, **training: Any) -> Task:
    """The training on one pair of each of 12 prompts with 4 responses of one token (half of two)."""
    draw = draw_of(
        REAL,
        model={"kind": "hf", "name": "base", "dtype": dtype},
        pool__prompts__count=12,
        pool__responses={"kind": "sample", "max_new_tokens": 2},
        budget__responses=48,
        training={"steps": 1, "pairs_per_step": 4, "learning_rate": 1e-3, "max_length": 64} | training,
        loss={"kind": loss},
        methods__dpo__responses_per_prompt=4,
    )
    return build_plan(draw.recipe, draw.files).cells[0].ends["adapter"]


def pool_of(folder: Path, tiny_base: Path, dtype: Any) -> dict[str, Path]:
    write_source(folder / "base", Source(str(tiny_base), dtype=dtype))
    return {"base_model": folder / "base", **write_pool(folder / "pool")}


def made(folder: Path, pool: dict[str, Path], task: Task) -> dict[str, Path]:
    """All that a training may be handed."""
    reference = task.inputs.get("reference")
    passed = reference.params if reference else {"conditional": True}
    return pool | {
        "pairs": run_stage(folder / "pairs", pairs.run, task.inputs["pairs"].params, pool).folder,
        "reference": run_stage(folder / "logprobs", logprobs.run, passed, pool).folder,
    }


@pytest.mark.parametrize(
    ("dtype", "training", "loss", "source", "rows"),
    [
        ("fp32", {}, "dpo", "stored", 0),
        ("fp32", {"weights": "full"}, "dpo", "stored", 0),
        ("bf16", {"precision": "bf16"}, "dpo", "stored", 0),
        ("bf16", {"precision": "bf16"}, "ld-dpo", "stored", 0),
        ("bf16", {"precision": "bf16", "weights": "full"}, "dpo", "stored", 0),
        ("bf16", {}, "dpo", "stored", 0),
        ("fp32", {"precision": "bf16"}, "ld-dpo", "stored", 0),
        ("bf16", {"precision": "bf16", "batching": "pairs"}, "dpo", "computed", 24),
        ("bf16", {"precision": "bf16", "batching": "pairs"}, "ld-dpo", "computed", 24),
        ("bf16", {"batching": "pairs"}, "ld-dpo", "computed", 24),
        ("fp32", {}, "simpo", "none", 0),
    ],
)
def test_training_computes_what_the_plan_says(
    tiny_base: Path, tmp_path: Path, dtype: str, training: dict[str, Any], loss: str, source: str, rows: int
) -> None:
    """12 pairs of 24 distinct rows, handed what the plan hands. Whatever else there is, is not read: handed
    all of it, the training computes as much.
    """
    task = planned(dtype, loss, **training)
    there = made(tmp_path, pool_of(tmp_path, tiny_base, dtype), task)
    estimate = work_of(task, ROWS)
    assert estimate.forward - estimate.backward == rows
    handed = {name: there[name] for name in task.inputs}
    off = 0.02 if training.get("precision") == "bf16" else 1e-4
    for number, inputs in enumerate([handed] if "reference" in handed else [handed, there]):
        done = run_stage(tmp_path / str(number), adapter.run, task.params, inputs)
        log = read_json(done.folder / RESULT)
        assert (log["reference"], log["reference_rows"]) == (source, rows)
        if loss != "simpo":
            assert log["loss_first"] == pytest.approx(math.log(2), abs=off)


def rows_of(policy: Policy, pool: dict[str, Path]) -> list[Encoded]:
    text = {row.id: row.text for row in read_rows(pool["prompts"] / "prompts.jsonl", Prompt)}
    return [
        encode(policy.tokenizer, text[row.prompt_id], row.text, row.finished)
        for row in read_rows(pool["responses"] / "responses.jsonl", Response)
    ]


def computed(policy: Policy, rows: list[Encoded], autocast: bool) -> np.ndarray[Any, Any]:
    """As a training computes its reference."""
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = make_reference(policy, rows, {}, frozenset({"reference"}))
    return np.array([found.sums[row] for row in rows])


def spacing(policy: Policy, rows: list[Encoded]) -> float:
    """Between neighbours in bf16, 8 bits of a number, of the size of the largest logit."""
    batch = pad(rows, 0)
    with torch.inference_mode():
        logits = policy.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    return float(2.0 ** (math.floor(math.log2(float(logits.abs().max()))) - 7))


@pytest.mark.parametrize("source", ["bank", "stored"])
def test_in_bf16_stored_and_computed_differ_by_rounding_only(
    tiny_base: Path, tmp_path: Path, source: str
) -> None:
    """Both passes round the same numbers to bf16, summed in fp32 in another order. Such a sum is off by some
    2^-24 of its terms, so where the rounding tips over at all, it is to the next number. A logit then moves
    by one spacing of bf16 at most, log-softmax by twice the most that a logit does, and a response by its
    tokens times that. Values of the same model in fp32, which has not rounded, lie farther off.
    """
    pool = pool_of(tmp_path, tiny_base, "bf16")
    task = planned("bf16", "dpo", precision="bf16", steps=6, learning_rate=1e-2)
    there = made(tmp_path, pool, task)
    if source == "bank":
        there["reference"] = run_stage(tmp_path / "bank", gradients.run, gradient_params(), pool).folder
    policy = load_policy(pool["base_model"])
    rows = rows_of(policy, pool)
    anew, stored = computed(policy, rows, autocast=True), read_matrix(there["reference"] / LOGPROBS)
    bound = 2 * spacing(policy, rows) * np.array([len(row.response) for row in rows])
    assert (np.abs(stored - anew) <= bound).all()
    unrounded = computed(load_policy(tiny_base), rows, autocast=False)
    assert np.abs(stored - anew).mean() < np.abs(unrounded - anew).mean() / 4
    alone = {name: there[name] for name in ("base_model", "pairs")}
    logs = [
        read_json(run_stage(tmp_path / name, adapter.run, task.params, inputs).folder / RESULT)
        for name, inputs in (("with", there), ("without", alone))
    ]
    assert [(log["reference"], log["reference_rows"]) for log in logs] == [(source, 0), ("computed", 24)]
    assert logs[0]["loss_last"] == pytest.approx(logs[1]["loss_last"], rel=0.05)
    assert logs[0]["loss_last"] < logs[0]["loss_first"] - 0.05


@pytest.mark.parametrize(
    ("dtype", "weights", "precision"),
    [("bf16", "lora", "fp32"), ("fp32", "lora", "bf16"), ("bf16", "full", "bf16"), ("bf16", "full", "fp32")],
)
def test_a_pass_in_a_trainings_arithmetic_gives_what_the_training_would_compute(
    tiny_base: Path, tmp_path: Path, dtype: str, weights: Weights, precision: Precision
) -> None:
    """To the bit on the same rows; a pass in the model's own gives something else."""
    pool = pool_of(tmp_path, tiny_base, dtype)
    other = {"weights": weights, "precision": precision}
    own, asked = (
        read_matrix(
            run_stage(tmp_path / name, logprobs.run, {"conditional": True} | more, pool).folder / LOGPROBS
        )
        for name, more in (("own", {}), ("asked", {"arithmetic": other}))
    )
    policy = load_to_train(pool["base_model"], weights, precision)
    anew = computed(policy, rows_of(policy, pool), autocast=precision == "bf16")
    np.testing.assert_array_equal(asked, anew.astype(np.float32))
    assert not np.array_equal(own, asked)
