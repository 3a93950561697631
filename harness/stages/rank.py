"""One training by several processes: their side of it.

`python -m harness.stages.rank start FOLDER` is the launcher, and ends with the process that started it. For
several machines it is the command that runs `... rank node FOLDER` on each of them: the launcher there.
`... rank work FOLDER` is one of the processes that train, and ends with its launcher.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from harness.errors import BadInput, Diverged, HarnessError
from harness.metering import Cost, Meter, largest
from harness.recipe.launching import Launch
from harness.stages.job import Job
from harness.stages.processes import ACCELERATE, RANK
from harness.store.formats import read_json, write_json
from harness.training.tracking import Tracking

PR_SET_PDEATHSIG = 1


def main(words: list[str]) -> None:
    """Start the processes, or be one of them."""
    _end_with_parent()
    role, folder = words[0], Path(words[1])
    if role == "work":
        _work(folder)
        return
    launch = Launch(**read_json(folder / "job.json")["launch"])
    if role == "start" and launch.nodes > 1:
        over = [*launch.on_each_node, sys.executable, "-m", RANK, "node", str(folder)]
        os.execvp(over[0], over)  # which keeps what was said to the kernel
    elif launch.launcher == "accelerate":
        _accelerate(launch, folder)
    else:
        _torchrun(launch, folder)


def _torchrun(launch: Launch, folder: Path) -> None:
    from torch.distributed.run import main as torchrun

    place = read_json(folder / ACCELERATE)
    meeting = f"{place['main_process_ip']}:{place['main_process_port']}"
    several = [f"--nnodes={launch.nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={meeting}"]
    logs = f"--log-dir={folder}"  # torchrun's own would be left behind in the system's folder
    torchrun(
        [
            *(several if launch.nodes > 1 else ["--standalone"]),
            f"--nproc_per_node={launch.on_each}",
            *(logs, "-m", RANK, "work", str(folder)),
        ]
    )


def _accelerate(launch: Launch, folder: Path) -> None:
    from accelerate.commands.launch import launch_command, launch_command_parser

    config, logs = ("--config_file", str(folder / ACCELERATE)), ("--log_dir", str(folder))
    backend = ("--rdzv_backend", "c10d")  # of which the config file cannot speak
    words = launch_command_parser().parse_args([*config, *logs, *backend, "-m", RANK, "work", str(folder)])
    words.standalone = launch.nodes == 1  # a port of its own, so that trainings can run side by side
    launch_command(words)


def _end_with_parent() -> None:
    """Have the kernel end this process when its parent is gone, however that ended (Linux only)."""
    parent = os.getppid()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)


def _work(folder: Path) -> None:
    try:
        _train(folder, int(os.environ["RANK"]))
    except Exception as error:
        text = str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
        own = folder / f"error-{os.environ['RANK']}.json"
        work = dict(error.work) if isinstance(error, Diverged) else {}
        write_json(own, {"text": text, "kind": type(error).__name__, "work": work})
        with suppress(FileExistsError):  # the first one to fail is the reason that the others do
            os.link(own, folder / "error.json")
        raise


def _train(folder: Path, rank: int) -> None:
    """The stage function of a single process, on this process's part of each step; the first one writes."""
    import torch

    if torch.cuda.is_available():
        check_gpus(int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count())
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    else:
        os.environ["ACCELERATE_USE_CPU"] = "true"  # without it each process would train alone, and not say so

    from harness.models.load import import_architecture
    from harness.stages.adapter import train_adapter
    from harness.training.processes import from_all
    from harness.training.tracking import load_tracker

    job = _job(folder, rank)
    import_architecture(job.inputs["base_model"])
    if job.tracking:
        load_tracker(job.tracking)
    with job.meter:
        train_adapter(job, keep_moments=False)
    costs = from_all(job.meter.cost)
    if rank == 0:
        write_json(folder / "cost.json", asdict(together(costs)))
    torch.distributed.destroy_process_group()


def check_gpus(processes: int, gpus: int) -> None:
    """Raise BadInput unless each process of a machine can have a GPU of its own."""
    if processes > gpus:
        raise BadInput(
            f"resources.training.processes: {processes} train on one machine, each on its own GPU, but it "
            f"shows them {gpus}. Lower `processes`, or raise resources.adapter.gpus."
        )


def _job(folder: Path, rank: int) -> Job:
    """The job as who started this wrote it down; what others than the first process write is dropped."""
    spec = read_json(folder / "job.json")
    out = Path(spec["out"]) if rank == 0 else folder / f"rank-{rank}"
    out.mkdir(exist_ok=True)
    about = spec["tracking"]
    return Job(
        params=spec["params"],
        inputs={name: Path(path) for name, path in spec["inputs"].items()},
        out=out,
        meter=Meter(),
        progress=_tell,
        scratch=lambda: Path(spec["scratch"]),
        tracking=Tracking(**about | {"folder": Path(about["folder"])}) if about else None,
        launch=Launch(**spec["launch"]),
    )


def _tell(done: int, of: int) -> None:
    """For who started this, which reads it; the trainer calls it in the first process alone."""
    print("progress", done, of, flush=True)


def together(costs: Sequence[Cost]) -> Cost:
    """All counted the tokens of all of them; seconds of processors and devices, and memory, add up.

    Each has a device of its own, whose memory is that of one card: the largest says which card will do.
    """
    return replace(
        costs[0],
        cpu_s=sum(cost.cpu_s for cost in costs),
        device_s=sum(cost.device_s for cost in costs),
        peak_memory_bytes=sum(cost.peak_memory_bytes for cost in costs),
        peak_device_bytes=largest(cost.peak_device_bytes for cost in costs),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
