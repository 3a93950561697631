"""One training by several processes: this side has them started and takes what they did."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import BadInput, Diverged, HarnessError
from harness.metering import Cost
from harness.recipe.launching import Launch
from harness.stages.job import Job
from harness.store.formats import read_json, write_json

RANK = "harness.stages.rank"
ACCELERATE = "accelerate.json"
PATIENCE_S = 10.0


def run_processes(job: Job) -> None:
    """Do the job's training in the processes of `job.launch`, and charge it what they cost.

    Their start and the loading of their libraries are charged to nobody, as in one process.

    Raises:
        BadInput, Diverged, HarnessError: what the training raised, or how the processes died.
    """
    folder = job.scratch() / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write_json(folder / "job.json", _spec(job))
    write_json(folder / ACCELERATE, accelerate_config(job.launch, _meeting_place(job.launch)))
    code = _wait(job, folder)
    if code != 0:
        raise failure(folder, code)
    job.meter.hand_over(Cost(**read_json(folder / "cost.json")))


def _spec(job: Job) -> dict[str, object]:
    """The job as JSON: what `rank` makes its own job from."""
    tracking = asdict(job.tracking) | {"folder": str(job.tracking.folder.resolve())} if job.tracking else None
    return {
        "params": dict(job.params),
        "inputs": {name: str(folder.resolve()) for name, folder in job.inputs.items()},
        "out": str(job.out.resolve()),
        "scratch": str(job.scratch().resolve()),
        "tracking": tracking,
        "launch": asdict(job.launch),
    }


def accelerate_config(launch: Launch, meeting: tuple[str, int]) -> dict[str, Any]:
    """The config file that accelerate reads: the user's, with the numbers and the place that hold.

    With "MULTI_CPU" it would start one process and say nothing. "MULTI_GPU" starts them as torchrun does,
    and what they find there decides the device.
    """
    own = dict(launch.config or {})
    kind = own.get("distributed_type", "MULTI_CPU")
    host, port = meeting
    return own | {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU" if kind == "MULTI_CPU" else kind,
        "num_processes": launch.processes,
        "num_machines": launch.nodes,
        "main_process_ip": host,
        "main_process_port": port,
        "machine_rank": 1,  # torchrun numbers them; a first one may refuse the port as taken
        "same_network": False,
    }


def _meeting_place(launch: Launch) -> tuple[str, int]:
    """Host and port where the machines of a training find each other: here, but for what the config says."""
    own = launch.config or {}
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    return own.get("main_process_ip") or socket.gethostname(), own.get("main_process_port") or port


def _wait(job: Job, folder: Path) -> int:
    """Run to the end, telling the job's progress; the exit code."""
    with (folder / "stderr").open("w") as errors, _running(folder, errors.fileno(), job.claim) as process:
        assert process.stdout is not None
        for line in process.stdout:
            words = line.split()
            if words[:1] == ["progress"]:
                job.progress(int(words[1]), int(words[2]))
        return process.wait()


@contextmanager
def _running(folder: Path, errors: int, claim: int | None) -> Iterator[subprocess.Popen[str]]:
    """The processes, ended with the block, however it ends; `rank` ends them with this process.

    Where that is killed they may write a little longer: their launcher holds the claim of what they make.
    """
    words = [sys.executable, "-m", RANK, "start", str(folder.resolve())]
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=_environment(),
        pass_fds=() if claim is None else (claim,),
    )
    with process:
        try:
            yield process
        except BaseException:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_S)
            process.kill()
            raise


def _environment() -> dict[str, str]:
    """As here, and importing the same `harness`."""
    package = Path(__file__).parent.parent.parent
    path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path}


def failure(folder: Path, code: int) -> HarnessError:
    """What the processes said that went wrong, or their last line where they could not."""
    told = folder / "error.json"
    if told.is_file():
        content = json.loads(told.read_text())
        kinds = {kind.__name__: kind for kind in (BadInput, Diverged)}
        error = kinds.get(content["kind"], HarnessError)(content["text"])
        if isinstance(error, Diverged):
            error.work = content["work"]
        return error
    lines = [line for line in (folder / "stderr").read_text(errors="replace").splitlines() if line.strip()]
    how = f" Their last words: {lines[-1].strip()}" if lines else ""
    return HarnessError(f"training: its processes ended with exit code {code}.{how}")
