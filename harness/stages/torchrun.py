"""One training by several processes, started with torchrun: this side starts them and takes what they did."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from harness.errors import BadInput, Diverged, HarnessError
from harness.metering import Cost
from harness.stages.job import Job
from harness.store.formats import read_json, write_json

RANK = "harness.stages.rank"
PATIENCE_S = 10.0


def run_torchrun(job: Job) -> None:
    """Do the job's training in `job.processes` processes, and charge it what they cost.

    Their start and the loading of their libraries are charged to nobody, as in one process.

    Raises:
        BadInput, HarnessError: what the training raised, or how the processes died.
    """
    folder = job.scratch() / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write_json(folder / "job.json", _spec(job))
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
        "processes": job.processes,
    }


def _wait(job: Job, folder: Path) -> int:
    """Run to the end, telling the job's progress; the exit code."""
    with (folder / "stderr").open("w") as errors, _running(job.processes, folder, errors.fileno()) as process:
        assert process.stdout is not None
        for line in process.stdout:
            words = line.split()
            if words[:1] == ["progress"]:
                job.progress(int(words[1]), int(words[2]))
        return process.wait()


@contextmanager
def _running(processes: int, folder: Path, errors: int) -> Iterator[subprocess.Popen[str]]:
    """The processes, ended with the block, however it ends; `rank` ends them with this process."""
    words = [sys.executable, "-m", RANK, "start", str(processes), str(folder.resolve())]
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, env=_environment()
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
        return kinds.get(content["kind"], HarnessError)(content["text"])
    lines = [line for line in (folder / "stderr").read_text(errors="replace").splitlines() if line.strip()]
    how = f" Their last words: {lines[-1].strip()}" if lines else ""
    return HarnessError(f"training: the processes of --train-processes ended with exit code {code}.{how}")
