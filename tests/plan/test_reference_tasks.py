"""Which trainings are handed the stored reference, and what the others are charged for computing it."""

from pathlib import Path

import pytest
from plans import planned
from test_costs import FACTS, recipe

from harness.plan.costs import work_of
from harness.plan.task import Task

BF16 = 'precision = "bf16"'
PAIRS = 'batching = "pairs"'
SUMS, TOKENS, NONE = ('loss = { kind = "dpo" }', 'loss = { kind = "ld-dpo" }', 'loss = { kind = "simpo" }')


def tasks_of(folder: Path, dtype: str, training: str, method: str = "") -> dict[str, Task]:
    """The last task of each stage; 8 prompts of 10 tokens x 4 responses of 4, one pair a prompt."""
    text = recipe(dtype=dtype, training=training, method=method)
    if '"full"' in training:
        text = text.replace("lora_rank = 3\n", "")
    return {task.stage: task for task in planned(folder, text).tasks}


@pytest.mark.parametrize(
    ("dtype", "training", "loss", "stored", "rows"),
    [
        ("fp32", "", SUMS, True, 0),
        ("fp32", 'weights = "full"', SUMS, True, 0),
        ("bf16", BF16, SUMS, True, 0),
        ("bf16", BF16, TOKENS, True, 0),
        ("bf16", BF16, NONE, False, 0),
        ("bf16", "", SUMS, True, 0),
        ("fp32", BF16, TOKENS, True, 0),
        ("bf16", f'{BF16}\nweights = "full"', SUMS, True, 0),
        ("bf16", f'{BF16}\nweights = "qlora"', SUMS, True, 0),
        ("fp32", PAIRS, SUMS, False, 16),
        ("fp32", PAIRS, TOKENS, True, 16),
        ("bf16", PAIRS, TOKENS, True, 16),
        ("bf16", PAIRS, NONE, False, 0),
    ],
)
def test_what_is_not_stored_for_a_training_is_computed_by_it(
    tmp_path: Path, dtype: str, training: str, loss: str, stored: bool, rows: int
) -> None:
    """8 pairs of 16 distinct rows of 14 tokens; with batching "pairs" TRL reads the sums' 16 itself, whatever
    else is stored or computed. No pass is planned that no training reads.
    """
    tasks = tasks_of(tmp_path, dtype, training, loss)
    assert ("logprobs" in tasks) == ("reference" in tasks["adapter"].inputs) == stored
    work = work_of(tasks["adapter"], FACTS)
    assert work.forward - work.backward == rows * 14


def test_a_bank_of_other_arithmetic_is_no_reference(tmp_path: Path) -> None:
    """It is there for the selection alone; a pass in the training's own serves all methods."""
    method = 'depth = { kind = "gradient-norm", pairs = 1 }'
    alike, other = (tasks_of(tmp_path, "bf16", training, method) for training in (BF16, ""))
    assert alike["adapter"].inputs["reference"] is alike["gradients"]
    assert "logprobs" not in alike
    assert other["adapter"].inputs["reference"] is other["logprobs"]
    assert other["logprobs"].params["arithmetic"] == {"weights": "lora", "precision": "fp32"}
    assert "gradients" in other


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_warm_up_is_in_fp32_whatever_the_training(tmp_path: Path, dtype: str) -> None:
    """12 steps of 4 pairs, a pair a prompt: 12 x 4 x (10 + 2 x 4) = 864 tokens. The margins that the depth
    rule looks at are those of the model as it scores.
    """
    training = f'precision = "{dtype}"'
    tasks = tasks_of(tmp_path, dtype, training, 'depth = { kind = "loss", pairs = 1 }')
    warmup, adapter = tasks["warmup"], tasks["adapter"]
    other = {"weights": "lora", "precision": "fp32"} if dtype == "bf16" else None
    assert warmup.inputs["reference"].params.get("arithmetic") == other
    work = work_of(warmup, FACTS)
    assert (work.forward, work.backward) == (864, 864)
    assert adapter.inputs["reference"] is adapter.inputs["pairs"].inputs["logprobs"]


def test_a_warm_up_is_handed_no_reference_where_its_loss_looks_at_none(tmp_path: Path) -> None:
    text = recipe(method='depth = { kind = "loss", pairs = 1 }') + '\n[loss]\nkind = "simpo"\n'
    warmup = next(task for task in planned(tmp_path, text).tasks if task.stage == "warmup")
    assert "reference" not in warmup.inputs
    assert work_of(warmup, FACTS).forward == 864
