"""Every way to start several processes gives what one gives; `test_processes.py` has one of each launcher."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_processes import PAIRS, SETTINGS, TWO, TWO_MACHINES, train

from harness.recipe.launching import ALONE, Launch
from harness.training.preference import train as train_preference

pytestmark = [pytest.mark.slow, pytest.mark.faults]

HERE = Path(__file__).parent
FILES = {"lora": "adapter_model.safetensors", "full": "model.safetensors"}


@pytest.mark.parametrize(
    "launch",
    [TWO, replace(TWO, launcher="accelerate"), replace(TWO_MACHINES, launcher="torchrun", config=None)],
    ids=["torchrun", "accelerate", "torchrun on two machines"],
)
def test_two_processes_train_as_one(launch: Launch, tiny_base: Path, tmp_path: Path) -> None:
    """Bit by bit, with one micro-batch of a step each."""
    one, two = (train(tiny_base, tmp_path / name, who) for name, who in (("one", ALONE), ("two", launch)))
    assert all(torch.equal(weight, two.weights[name]) for name, weight in one.weights.items())
    assert (one.result.pop("processes"), two.result.pop("processes")) == (1, 2)
    assert one.result == two.result


@pytest.mark.parametrize("weights", ["lora", "full"])
def test_a_training_in_shards_is_killed_and_goes_on(weights: str, tiny_base: Path, tmp_path: Path) -> None:
    """At step 5 of 8. Weights equal but for rounding: the norm of a clipped gradient adds up in shards."""
    words = [str(tiny_base), str(tmp_path), weights]
    path = os.pathsep.join((str(HERE), str(HERE.parent / "training"), *sys.path))

    def sharded(last: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
                *(str(HERE / "sharded.py"), *words, str(last)),
            ],
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    assert sharded(5).returncode != 0
    assert (tmp_path / "checkpoints" / "checkpoint-4" / "optimizer.bin").is_file()
    done = sharded(0)
    settings = replace(SETTINGS, steps=8, weights=weights)  # type: ignore[arg-type]  # one of two
    unbroken = train_preference(tiny_base, PAIRS, settings, tmp_path / "unbroken")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("processes=2)"), done.stdout
    one, two = (load_file(tmp_path / name / FILES[weights]) for name in ("unbroken", "out"))
    assert one.keys() == two.keys()
    for name, weight in one.items():
        torch.testing.assert_close(weight, two[name], rtol=1e-3, atol=1e-6)
    configs = [{path.name for path in (tmp_path / name).iterdir()} for name in ("unbroken", "out")]
    assert configs[0] == configs[1]
    assert f"parameters={unbroken.parameters}, trainable={unbroken.trainable}" in done.stdout
