"""Batching "pairs" against TRL's own DPOTrainer on the same rows: the same weights after ten steps."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from safetensors.torch import load_file
from torch import Tensor
from trl import DPOConfig, DPOTrainer

from harness.data.rows import PreferencePair
from harness.methods.losses import PairLoss, batch, length, margin, pointwise
from harness.methods.losses.combined import weighted_sum
from harness.models.load import load_policy
from harness.models.quiet import quiet
from harness.training.examples import make_examples
from harness.training.preference import train
from harness.training.settings import TrainingSettings

# 11 pairs in micro-batches of 2, two a step: an epoch ends in a step of 3 pairs and a micro-batch of 1.
PAIRS = [
    PreferencePair(
        str(n),
        " ".join(f"w{n + k}" for k in range(n % 4 + 1)),
        " ".join(f"w{n + k}" for k in range(n % 3 + 1)),
        f"w{n + 20} w{n + 21}",
        0,
        1,
        True,
        n % 2 == 0,
        1.0,
    )
    for n in range(11)
]
SETTINGS = TrainingSettings(
    loss=PairLoss(partial(margin.dpo, beta=0.5)),
    steps=10,
    pairs_per_step=4,
    micro_batch=2,
    learning_rate=1e-2,
    rank=4,
    max_length=32,
    schedule="cosine",
    warmup_steps=2,
    seed=5,
    batching="pairs",
)


def trl_weights(base: Path, out: Path, **arguments: Any) -> dict[str, Tensor]:
    """TRL on rows that are tokens already, as they come from `make_examples`."""
    policy = load_policy(base)
    examples = make_examples(policy.tokenizer, PAIRS, 32)
    rows = [
        {
            "prompt_ids": list(pair.chosen.prompt),
            "chosen_ids": list(pair.chosen.response),
            "rejected_ids": list(pair.rejected.response),
        }
        for pair in examples.pairs
    ]

    class Tokenized(DPOTrainer):  # type: ignore[misc]  # TRL ships no types
        def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
            return dataset

    config = {
        "beta": 0.5,
        "precompute_ref_log_probs": True,
        "max_steps": 10,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 2,
        "max_length": 32,
        "seed": 5,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
    }
    with quiet():
        trainer = Tokenized(
            model=policy.model,
            args=DPOConfig(output_dir=str(out), **config | arguments),
            train_dataset=Dataset.from_list(rows),
            processing_class=policy.tokenizer,
            peft_config=LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=4, target_modules="all-linear"),
        )
        trainer.train()
        trainer.save_model(str(out))
    return load_file(out / "adapter_model.safetensors")


def our_weights(base: Path, out: Path, loss: PairLoss) -> dict[str, Tensor]:
    train(base, PAIRS, replace(SETTINGS, loss=loss), out)
    return load_file(out / "adapter_model.safetensors")


PLAIN = frozenset({"reference"})
Case = tuple[Callable[..., Tensor], frozenset[str], dict[str, Any]]
BITS: dict[str, Case] = {
    "sigmoid": (partial(margin.dpo, beta=0.5), PLAIN, {}),
    "hinge": (partial(margin.hinge, beta=0.5), PLAIN, {}),
    "ipo": (partial(length.ipo, beta=0.5), PLAIN, {}),
    "robust": (partial(margin.robust, beta=0.5, label_smoothing=0.1), PLAIN, {"label_smoothing": 0.1}),
    "nca_pair": (partial(pointwise.nca, beta=0.5), PLAIN, {}),
    "sppo_hard": (partial(pointwise.sppo_hard, beta=0.5), PLAIN, {}),
    "aot": (partial(batch.aot, beta=0.5), PLAIN | {"batch"}, {}),
    "aot_unpaired": (partial(batch.aot_unpaired, beta=0.5), PLAIN | {"batch"}, {}),
    "sigmoid_norm": (partial(length.ln_dpo, beta=0.5), PLAIN, {}),
}
# TRL writes sigmoid(-x) as 1 - sigmoid(x) and exp(-h) sigmoid(h / tau) as a product, takes EXO's constants in
# fp32, adds weighted losses up after their means, weighs WPO's pairs by a product, ours by the exponential of
# a sum, and adds LD-DPO's reference up from tokens of its own padding.
CLOSE: dict[str, Case] = {
    "apo_zero": (partial(pointwise.apo_zero, beta=0.5), PLAIN, {}),
    "apo_down": (partial(pointwise.apo_down, beta=0.5), PLAIN, {}),
    "exo_pair": (partial(margin.exo, beta=0.5, label_smoothing=0.2), PLAIN, {"label_smoothing": 0.2}),
    "discopop": (partial(margin.discopop, beta=0.5, tau=0.5), PLAIN, {"discopop_tau": 0.5}),
    "sum": (
        weighted_sum(
            [PairLoss(partial(margin.dpo, beta=0.5)), PairLoss(partial(pointwise.apo_zero, beta=0.5))],
            [0.7, 0.3],
        ).value,
        PLAIN,
        {"loss_type": ["sigmoid", "apo_zero"], "loss_weights": [0.7, 0.3]},
    ),
    "wpo": (
        partial(margin.wpo, beta=0.5),
        PLAIN | {"certainty"},
        {"loss_type": ["sigmoid"], "use_weighting": True},
    ),
    "ld": (
        partial(length.ld_dpo, beta=0.5, alpha=0.3),
        PLAIN | {"common"},
        {"loss_type": ["sigmoid"], "ld_alpha": 0.3},
    ),
}


@pytest.mark.parametrize("name", BITS | CLOSE)
def test_weights_after_ten_steps(tiny_base: Path, tmp_path: Path, name: str) -> None:
    """B starts at 0 and ends near 0.05, so 1e-4 is 0.2 % of the way."""
    value, needs, arguments = (BITS | CLOSE)[name]
    theirs = trl_weights(tiny_base, tmp_path / "trl", **{"loss_type": [name]} | arguments)
    ours = our_weights(tiny_base, tmp_path / "ours", PairLoss(value, needs))
    assert set(ours) == set(theirs)
    assert all(float(weight.abs().max()) > 0.01 for key, weight in ours.items() if "lora_B" in key)
    for key, weight in ours.items():
        torch.testing.assert_close(weight, theirs[key], rtol=0, atol=0 if name in BITS else 1e-4)
