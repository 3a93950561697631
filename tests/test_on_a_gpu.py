"""What only a CUDA device can show; `pytest tests/test_on_a_gpu.py` on a machine that has one."""

import math
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_lora import adapted, random_rows

from harness.data.rows import PreferencePair
from harness.metering import Meter
from harness.methods.gradients import gradient_pass, response_gradients
from harness.methods.projection import Sketch
from harness.models.load import load_policy
from harness.models.logprobs import sequence_logprobs
from harness.stages.losses import loss_of
from harness.training.checkpoints import Checkpoints
from harness.training.examples import make_examples
from harness.training.preference import train
from harness.training.runtime import Runtime
from harness.training.settings import Batching, Precision, TrainingSettings, Weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

SETTINGS = TrainingSettings(
    loss=loss_of({"kind": "dpo", "beta": 0.5}),
    steps=30,
    pairs_per_step=8,
    micro_batch=4,
    learning_rate=2e-2,
    rank=4,
    max_length=32,
    schedule="linear",
    warmup_steps=0,
    seed=0,
)
PAIRS = [
    PreferencePair(
        str(n), f"w{n} w9 w8 w7 w6", f"w{n + 1} w{n + 2} w{one}", f"w{n + 20}", one, 9, True, True, 1.0
    )
    for n in range(6)
    for one in range(3)
]


class Killed(Exception):
    pass


class Clock:
    seconds = (0.0, 0.0)

    def carry(self, wall_s: float, cpu_s: float) -> None:
        """Nothing: no test here looks at it."""


@pytest.mark.filterwarnings("ignore:inner dimension .* is not aligned")  # bitsandbytes, of a model so small
@pytest.mark.parametrize("batching", ["prompts", "pairs"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("weights", ["lora", "full", "qlora"])
def test_every_precision_learns(
    precision: Precision, weights: Weights, batching: Batching, tiny_base: Path, tmp_path: Path
) -> None:
    """From ln 2, the loss of equal models, to less than half of it; the prompt is shared in all of them."""
    if weights == "qlora" and find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed")
    rate = 2e-3 if weights == "full" else SETTINGS.learning_rate
    way = replace(
        SETTINGS,
        precision=precision,
        weights=weights,
        batching=batching,
        learning_rate=rate,
    )
    report = train(tiny_base, PAIRS, way, tmp_path)
    assert report.loss_first == pytest.approx(math.log(2), abs=0.1)
    assert report.loss_last < math.log(2) / 2
    assert report.prefix == ("packed" if batching == "prompts" else None)
    policy, start = load_policy(tiny_base, tmp_path), load_policy(tiny_base)
    chosen = [row for row in make_examples(policy.tokenizer, PAIRS, 32).rows if len(row.response) > 2]
    assert (sequence_logprobs(policy, chosen) > sequence_logprobs(start, chosen)).mean() > 0.5


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_training_goes_on_from_its_checkpoint(
    precision: Precision, tiny_base: Path, tmp_path: Path
) -> None:
    """With the state of the loss's scale too: the losses of all steps are those of the unbroken training."""

    def stop(done: int, of: int) -> None:
        if done == 17:
            raise Killed

    settings = replace(SETTINGS, precision=precision)
    unbroken = train(tiny_base, PAIRS, settings, tmp_path / "unbroken")
    checkpoints = Checkpoints(tmp_path / "scratch", lambda: "this", Clock(), every_s=0, share=math.inf)
    with pytest.raises(Killed):
        train(tiny_base, PAIRS, settings, tmp_path / "broken", Runtime(stop, checkpoints))
    again = train(tiny_base, PAIRS, settings, tmp_path / "broken", Runtime(None, checkpoints))
    losses, expected = ([step.loss for step in report.history] for report in (again, unbroken))
    np.testing.assert_allclose(losses, expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("b_std", [0.0, 0.1], ids=["fresh", "trained"])
def test_the_bank_of_a_gpu_is_that_of_the_processor(b_std: float) -> None:
    model, rows = adapted("llama", b_std).eval(), random_rows(11)
    sketch = Sketch(dim=256, seed=5)
    here = response_gradients(gradient_pass(model, sketch, 0), rows, 4)
    there = response_gradients(gradient_pass(model.to("cuda"), sketch, 0), rows, 4)
    np.testing.assert_allclose(there.logprobs, here.logprobs, rtol=1e-4)
    assert np.linalg.norm(there.gradients - here.gradients) < 1e-3 * np.linalg.norm(here.gradients)


def test_device_memory_and_energy_are_measured() -> None:
    """A gigabyte that was filled shows in the peak, and a second of products draws more than ten joules."""
    with Meter(energy=False) as meter:
        left = torch.ones(16_384, 16_384, device="cuda")
        for _ in range(20):
            right = left @ left
        del left, right
    assert meter.cost.device_s > 0
    assert meter.cost.peak_device_bytes is not None
    assert meter.cost.peak_device_bytes >= 2 * 4 * 16_384**2
    assert meter.cost.energy in ("measured", "estimated", "device only")
    assert meter.cost.energy_j is not None
    assert meter.cost.energy_j > 10
