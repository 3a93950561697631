"""One of two processes of a training with FSDP on the CPU, which accelerate offers on GPUs alone.

`python sharded.py BASE FOLDER WEIGHTS LAST`: accelerate is told that gloo is a GPU's backend and the CPU the
device; torch then shards in earnest. The first process is killed at step LAST (0: never).
"""

import os
import signal
import sys
from dataclasses import replace
from math import inf
from pathlib import Path

import torch
from accelerate.state import PartialState
from accelerate.utils import DistributedType
from test_checkpoints import Clock
from test_processes import PAIRS, SETTINGS

from harness.training.checkpoints import Checkpoints
from harness.training.preference import train
from harness.training.runtime import Runtime

PLUGIN = {
    "ACCELERATE_TORCH_DEVICE": "cpu",
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",
}
"""What `accelerate launch` makes of a config file."""


def main(base: Path, folder: Path, weights: str, last: int) -> None:
    os.environ.update(PLUGIN)
    torch.distributed.init_process_group("gloo")
    PartialState._prepare_backend = lambda *_, **__: ("gloo", DistributedType.MULTI_GPU)
    first = torch.distributed.get_rank() == 0

    def progress(done: int, of: int) -> None:
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoints = Checkpoints(folder / "checkpoints", lambda: "this", Clock(), every_s=0, share=inf)
    runtime = Runtime(progress, checkpoints, processes=2, distributed="FSDP")
    settings = replace(SETTINGS, steps=8, weights=weights)  # type: ignore[arg-type]  # the test gives one
    report = train(base, PAIRS, settings, folder / "out", runtime)
    if first:
        print(report)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
