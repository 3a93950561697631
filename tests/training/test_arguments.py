"""A process trains on one device, however many it sees."""

from pathlib import Path

import pytest
import torch
from transformers import TrainingArguments
from trl import DPOConfig

from harness.models.quiet import quiet
from harness.training.arguments import common_arguments, on_one_device
from harness.training.runtime import ALONE
from harness.training.settings import SupervisedSettings


@pytest.mark.parametrize("kind", [TrainingArguments, DPOConfig])
def test_several_gpus_are_not_one_batch_each(
    kind: type[TrainingArguments], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library counts the GPUs, here two that are not there, and would make 2 x 3 rows of a batch of 3."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    settings = SupervisedSettings(learning_rate=1e-3, batch_size=3, max_length=8, steps=1)
    told = common_arguments(settings, tmp_path, ALONE, on_cpu=False)
    with quiet():
        free, held = (kind(**told, per_device_train_batch_size=3) for _ in range(2))
    on_one_device(held)
    assert (free.n_gpu, free.train_batch_size) == (2, 6)
    assert (held.n_gpu, held.train_batch_size) == (1, 3)


def test_a_cpu_stays_no_gpu(tmp_path: Path) -> None:
    settings = SupervisedSettings(learning_rate=1e-3, batch_size=3, max_length=8, steps=1)
    with quiet():
        held = TrainingArguments(**common_arguments(settings, tmp_path, ALONE, on_cpu=True))
    assert on_one_device(held).n_gpu == 0
