"""One training by two processes of torchrun on the CPU, against the same training by one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.data.rows import PreferencePair
from harness.metering import Cost, Meter
from harness.stages.adapter import run
from harness.stages.job import Job
from harness.store.formats import read_json, write_rows

PAIRS = [
    PreferencePair(str(n), f"w{n}", f"w{n + 1} w{n + 2} w{n + 3}", f"w{n + 20}", 0, 1, True, n % 2 == 0, 1.0)
    for n in range(6)
]
TRAINING = {
    "steps": 4,
    "pairs_per_step": 4,
    "micro_batch": 2,
    "learning_rate": 1e-2,
    "lora_rank": 4,
    "max_length": 32,
    "schedule": "linear",
    "warmup_steps": 0,
}


@dataclass(frozen=True)
class Done:
    """What a training left behind."""

    weights: dict[str, torch.Tensor]
    result: dict[str, Any]
    cost: Cost
    progress: list[tuple[int, int]]


def job_of(base: Path, folder: Path, processes: int, **changes: Any) -> Job:
    """An adapter's job in a folder of its own."""
    inputs = {"base_model": base, "pairs": folder / "pairs"}
    for path in (inputs["pairs"], folder / "out", folder / "scratch"):
        path.mkdir(parents=True, exist_ok=True)
    write_rows(inputs["pairs"] / "pairs.jsonl", PAIRS)
    params = {"loss": {"kind": "dpo", "beta": 0.5}, "training": TRAINING | changes, "seed": 0}
    return Job(
        params, inputs, folder / "out", Meter(), lambda *_: None, lambda: folder / "scratch", None, processes
    )


def train(base: Path, folder: Path, processes: int, **changes: Any) -> Done:
    progress: list[tuple[int, int]] = []
    job = job_of(base, folder, processes, **changes)
    object.__setattr__(job, "progress", lambda done, of: progress.append((done, of)))
    with job.meter:
        run(job)
    weights = load_file(job.out / "adapter_model.safetensors")
    return Done(weights, read_json(job.out / "result.json"), job.meter.cost, progress)


@pytest.mark.slow
def test_two_processes_train_as_one_with_accumulation(tiny_base: Path, tmp_path: Path) -> None:
    """Bit by bit where each process has one micro-batch a step: (a + b) / 2 is the same sum on both ways.

    The counts are those of one process; the seconds and the memory are of two.
    """
    one, two = (train(tiny_base, tmp_path / str(number), number) for number in (1, 2))
    assert all(torch.equal(weight, two.weights[name]) for name, weight in one.weights.items())
    assert (one.result.pop("processes"), two.result.pop("processes")) == (1, 2)
    assert one.result == two.result
    assert one.progress == two.progress == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (one.cost.flops, one.cost.tokens_forward) == (two.cost.flops, two.cost.tokens_forward)
    assert two.cost.peak_memory_bytes > one.cost.peak_memory_bytes
    assert two.cost.cpu_s > 0


@pytest.mark.parametrize("micro_batch", [1])
@pytest.mark.slow
def test_more_micro_batches_are_summed_in_another_order(
    tiny_base: Path, tmp_path: Path, micro_batch: int
) -> None:
    """(a + c) + (b + d) in place of ((a + b) + c) + d: equal but for rounding."""
    one, two = (
        train(tiny_base, tmp_path / str(number), number, micro_batch=micro_batch) for number in (1, 2)
    )
    for name, weight in one.weights.items():
        torch.testing.assert_close(weight, two.weights[name], rtol=1e-3, atol=1e-6)
    assert two.result["loss_last"] == pytest.approx(one.result["loss_last"], rel=1e-5)
