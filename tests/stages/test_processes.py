"""One training by two processes on the CPU, over gloo, against the same training by one."""

import os
import re
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from harness.data.rows import PreferencePair
from harness.errors import BadInput, Diverged, HarnessError
from harness.metering import Cost, Meter
from harness.recipe.launching import ALONE, Launch
from harness.recipe.schema import Training
from harness.stages import rank
from harness.stages.adapter import run, settings_of, train_adapter
from harness.stages.job import Job
from harness.stages.processes import accelerate_config, failure
from harness.stages.rank import check_gpus, together
from harness.stages.run import launched
from harness.store.formats import read_json, write_rows
from harness.store.local import LocalStore
from harness.training.preference import train as train_preference

PAIRS = [
    PreferencePair(str(n), f"w{n}", f"w{n + 1} w{n + 2} w{n + 3}", f"w{n + 20}", 0, 1, True, n % 2 == 0, 1.0)
    for n in range(6)
]
TRAINING = Training(
    steps=4, pairs_per_step=4, micro_batch=2, learning_rate=1e-2, lora_rank=4, max_length=32
).model_dump(mode="json")
PARAMS = {"loss": {"kind": "dpo", "beta": 0.5}, "training": TRAINING, "seed": 0}
SETTINGS = settings_of(PARAMS)
TWO = Launch("torchrun", 2)
ON_EACH = """
import subprocess, sys
both = [subprocess.Popen(sys.argv[1:]) for _ in range(2)]
sys.exit(max(each.wait() for each in both))
"""
TWO_MACHINES = Launch("accelerate", 2, 2, (sys.executable, "-c", ON_EACH), {"distributed_type": "MULTI_CPU"})


@dataclass(frozen=True)
class Done:
    """What a training left behind, and the bytes of the largest process that it had started at each step."""

    weights: dict[str, torch.Tensor]
    result: dict[str, Any]
    cost: Cost
    progress: list[tuple[int, int]]
    largest: list[int]


def job_of(base: Path, folder: Path, launch: Launch, **changes: Any) -> Job:
    """An adapter's job in a folder of its own."""
    inputs = {"base_model": base, "pairs": folder / "pairs"}
    for path in (inputs["pairs"], folder / "out", folder / "scratch"):
        path.mkdir(parents=True, exist_ok=True)
    write_rows(inputs["pairs"] / "pairs.jsonl", PAIRS)
    params = PARAMS | {"training": TRAINING | changes}
    return Job(
        params, inputs, folder / "out", Meter(), lambda *_: None, lambda: folder / "scratch", None, launch
    )


def train(base: Path, folder: Path, launch: Launch, **changes: Any) -> Done:
    progress, largest = list[tuple[int, int]](), list[int]()
    others = set(psutil.Process().children(recursive=True))

    def told(done: int, of: int) -> None:
        progress.append((done, of))
        started = set(psutil.Process().children(recursive=True)) - others
        largest.append(max(map(resident, started), default=0))

    job = replace(job_of(base, folder, launch, **changes), progress=told)
    with job.meter:
        run(job)
    weights = load_file(job.out / "adapter_model.safetensors")
    return Done(weights, read_json(job.out / "result.json"), job.meter.cost, progress, largest)


def resident(process: psutil.Process) -> int:
    """Bytes of memory; none of a process that is gone."""
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


@pytest.mark.slow
def test_two_processes_train_as_one_with_accumulation(tiny_base: Path, tmp_path: Path) -> None:
    """Bit by bit where each process has one micro-batch a step: (a + b) / 2 is the same sum on both ways.

    The counts are those of one process; the seconds and the memory are of two. The two machines are this one
    twice: each has a launcher with one process, and they meet over the network.
    """
    one, two = (
        train(tiny_base, tmp_path / name, who) for name, who in (("one", ALONE), ("two", TWO_MACHINES))
    )
    assert all(torch.equal(weight, two.weights[name]) for name, weight in one.weights.items())
    assert (one.result.pop("processes"), two.result.pop("processes")) == (1, 2)
    assert one.result == two.result
    assert one.progress == two.progress == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (one.cost.flops, one.cost.tokens_forward) == (two.cost.flops, two.cost.tokens_forward)
    handed = Cost(**read_json(tmp_path / "two" / "scratch" / "processes" / "cost.json"))
    assert two.cost.peak_memory_bytes >= handed.peak_memory_bytes > 1.5 * max(two.largest)
    assert two.cost.cpu_s > 0


@pytest.mark.slow
def test_more_micro_batches_are_summed_in_another_order(tiny_base: Path, tmp_path: Path) -> None:
    """(a + c) + (b + d) in place of ((a + b) + c) + d: equal but for rounding. These are torchrun's."""
    one = train(tiny_base, tmp_path / "one", ALONE, micro_batch=1)
    two = train(tiny_base, tmp_path / "two", TWO, micro_batch=1)
    for name, weight in one.weights.items():
        torch.testing.assert_close(weight, two.weights[name], rtol=1e-3, atol=1e-6)
    assert two.result["processes"] == 2
    assert two.result["loss_last"] == pytest.approx(one.result["loss_last"], rel=1e-5)


@pytest.mark.slow
def test_what_the_processes_refuse_is_told_in_their_words(tiny_base: Path, tmp_path: Path) -> None:
    """And accelerate starts two here: it does not fall back to one, which would be told first."""
    gpus = replace(TWO, launcher="accelerate", config={"distributed_type": "MULTI_GPU"})
    told = "^resources.training.config: asks for MULTI_GPU, but accelerate runs MULTI_CPU on this machine"
    with pytest.raises(BadInput, match=told):
        run(job_of(tiny_base, tmp_path, gpus))


def test_processes_that_die_without_a_word_are_told_by_their_last_line(tmp_path: Path) -> None:
    (tmp_path / "stderr").write_text("loading\nout of memory\n\n")
    assert str(failure(tmp_path, 1)) == (
        "training: its processes ended with exit code 1. Their last words: out of memory"
    )


def test_the_work_of_a_training_that_diverges_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the process that stopped, in a file, to the one that is charged."""
    stopped = Diverged("training: the loss at step 2 is nan.")
    stopped.work = {"forward": 7, "backward": 5, "padding": 1, "parameters": 10, "trainable": 2}

    def diverge(*_: Any) -> None:
        raise stopped

    monkeypatch.setattr(rank, "_train", diverge)
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(Diverged):
        rank._work(tmp_path)
    told = failure(tmp_path, 1)
    assert isinstance(told, Diverged)
    assert (str(told), told.work) == (str(stopped), stopped.work)


@pytest.mark.slow
def test_two_processes_that_diverge_are_charged_as_one(tiny_base: Path, tmp_path: Path) -> None:
    """At a learning rate of 1e30 the loss of step 2 is no number: the two passes of step 1 count."""
    costs = []
    for name, launch in (("one", ALONE), ("two", TWO)):
        job = job_of(tiny_base, tmp_path / name, launch, learning_rate=1e30)
        with job.meter:
            run(job)
        assert "the loss at step 2 is nan" in read_json(job.out / "result.json")["diverged"]
        cost = job.meter.cost
        costs.append((cost.tokens_forward, cost.tokens_backward, cost.tokens_padding, cost.flops))
    assert costs[0] == costs[1]
    assert costs[0][1] > 0


def test_fewer_processes_than_asked_for_is_an_error(tiny_base: Path, tmp_path: Path) -> None:
    """As where a launcher starts one process and says nothing: this test is that process."""
    job = job_of(tiny_base, tmp_path, TWO)
    with pytest.raises(HarnessError, match="2 processes were asked for, but 1 run"):
        train_adapter(job, keep_moments=False)


def test_accelerate_reads_the_numbers_that_hold() -> None:
    """By "MULTI_CPU" it would start one process; what else the user's file says stays."""
    own = {"distributed_type": "FSDP", "fsdp_config": {"fsdp_version": 2}, "machine_rank": 0}
    config = accelerate_config(Launch("accelerate", 8, 2, ("srun",), own), ("head", 29500))
    assert (config["num_processes"], config["num_machines"]) == (8, 2)
    assert (config["main_process_ip"], config["main_process_port"]) == ("head", 29500)
    assert (config["distributed_type"], config["fsdp_config"]) == ("FSDP", {"fsdp_version": 2})
    for said in (None, {"distributed_type": "MULTI_CPU"}):
        config = accelerate_config(Launch("accelerate", 2, config=said), ("here", 1))
        assert config["distributed_type"] == "MULTI_GPU"


def test_each_process_needs_a_gpu_where_there_are_some() -> None:
    check_gpus(2, 2)
    with pytest.raises(BadInput, match="8 train on one machine, each on its own GPU, but it shows them 1"):
        check_gpus(8, 1)


def test_provenance_says_who_shared_a_training() -> None:
    assert launched(ALONE) == {}
    assert launched(TWO) == {"processes": 2, "launcher": "torchrun"}
    said = launched(TWO_MACHINES)
    assert said["processes"] == 2
    assert re.fullmatch("accelerate, MULTI_CPU, config [0-9a-f]{12}", said["launcher"])


TRAIN_LONG = """
    import sys
    from pathlib import Path
    from test_processes import TWO, job_of, replace
    from harness.stages.adapter import run
    from harness.store.local import LocalStore

    base, folder = map(Path, sys.argv[1:])
    with LocalStore(folder / "store").claim("adapter", "abc") as claim:
        run(replace(job_of(base, folder, TWO, steps=5000), claim=claim))
"""


def wait_for_ranks(parent: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """The launcher and its two, once they are there."""
    below: list[psutil.Process] = []
    while len(below) < 3:
        assert parent.poll() is None
        time.sleep(0.1)
        below = psutil.Process(parent.pid).children(recursive=True)
    return below


@pytest.mark.slow
def test_no_process_outlives_the_one_that_started_it(tiny_base: Path, tmp_path: Path) -> None:
    """Not even where that is killed, so that no `finally` runs; the launcher's are sessions of their own.

    Until they have ended, which a launcher that is stopped puts off, nobody else can have the claim.
    """
    store = LocalStore(tmp_path / "store")
    path = os.pathsep.join((str(Path(__file__).parent), *sys.path))
    words = [sys.executable, "-c", textwrap.dedent(TRAIN_LONG), str(tiny_base), str(tmp_path)]
    with subprocess.Popen(words, env=os.environ | {"PYTHONPATH": path}) as parent:
        below = wait_for_ranks(parent)
        (launcher,) = psutil.Process(parent.pid).children()
        launcher.suspend()
        parent.kill()
    held = store.is_claimed("adapter", "abc")
    launcher.resume()
    assert psutil.wait_procs(below, timeout=60)[1] == []
    assert held
    assert not store.is_claimed("adapter", "abc")


@pytest.mark.slow
def test_no_process_outlives_an_error(tiny_base: Path, tmp_path: Path) -> None:
    """As where the caller is gone, whom the progress is told. Other tests' processes are not counted."""
    before = set(psutil.Process().children(recursive=True))
    seen: list[psutil.Process] = []

    def gone(done: int, of: int) -> None:
        seen.extend(set(psutil.Process().children(recursive=True)) - before)
        raise BrokenPipeError

    by_accelerate = replace(TWO, launcher="accelerate")
    with pytest.raises(BrokenPipeError):
        run(replace(job_of(tiny_base, tmp_path, by_accelerate, steps=5000), progress=gone))
    assert len(seen) == 3
    assert psutil.wait_procs(seen, timeout=60)[1] == []


RESUME = """
    import os, signal, sys
    from math import inf
    from pathlib import Path
    from test_checkpoints import Clock
    from test_processes import PAIRS, SETTINGS, replace
    from harness.training.checkpoints import Checkpoints
    from harness.training.preference import train
    from harness.training.runtime import Runtime

    base, folder, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    os.environ["ACCELERATE_USE_CPU"] = "true"

    def progress(done, of):
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoints = Checkpoints(folder / "checkpoints", lambda: "this", Clock(), every_s=0, share=inf)
    runtime = Runtime(progress, checkpoints, processes=2)
    report = train(base, PAIRS, replace(SETTINGS, steps=8), folder / "out", runtime)
    if os.environ["RANK"] == "0":
        print(report)
"""


@pytest.mark.slow
def test_a_training_by_two_processes_goes_on_after_a_kill(tiny_base: Path, tmp_path: Path) -> None:
    """The first process is killed at step 5 of 8; both go on from 4, to what one process gives unbroken."""
    (tmp_path / "script.py").write_text(textwrap.dedent(RESUME))
    folders = (Path(__file__).parent, Path(__file__).parent.parent / "training")
    path = os.pathsep.join((*map(str, folders), *sys.path))

    def torchrun(last: int) -> subprocess.CompletedProcess[str]:
        words = ["--standalone", "--nproc_per_node=2", str(tmp_path / "script.py"), str(tiny_base)]
        return subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", *words, str(tmp_path), str(last)],
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    assert torchrun(5).returncode != 0
    assert (tmp_path / "checkpoints" / "checkpoint-4" / "rng_state_1.pth").is_file()
    done = torchrun(0)
    settings = replace(SETTINGS, steps=8)
    unbroken = train_preference(tiny_base, PAIRS, settings, tmp_path / "unbroken")
    assert done.stdout.strip() == repr(replace(unbroken, processes=2)), done.stderr
    one, two = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("unbroken", "out"))
    assert all(torch.equal(weight, two[name]) for name, weight in one.items())


def test_the_memory_of_a_machine_adds_up_and_that_of_a_card_is_the_largest() -> None:
    """Two processes of one training: 3 + 4 on the host, 8 on the fuller of the two cards; both count all."""
    one = Cost(wall_s=2, cpu_s=1, device_s=2, flops=9, peak_memory_bytes=3, peak_device_bytes=8)
    other = Cost(wall_s=2, cpu_s=3, device_s=2, flops=9, peak_memory_bytes=4, peak_device_bytes=6)
    assert together([one, other]) == Cost(
        wall_s=2, cpu_s=4, device_s=4, flops=9, peak_memory_bytes=7, peak_device_bytes=8
    )
    assert together([Cost(), Cost()]).peak_device_bytes is None
