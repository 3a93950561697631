"""Run one task: open its inputs, meter its stage, commit its artifact."""

import importlib
import platform
import subprocess
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import harness
from harness.errors import BadInput
from harness.metering import Cost, Meter
from harness.plan.task import Task
from harness.recipe.launching import Launch
from harness.stages.job import Job
from harness.stages.options import USUAL, Options
from harness.store.digests import Digests
from harness.store.keys import canonical, content_digest, digest
from harness.store.local import LocalStore
from harness.training.tracking import load_tracker

PACKAGES = (
    "torch", "transformers", "trl", "peft", "accelerate", "datasets", "lm-eval", "alpaca-eval",
    "scikit-learn", "numpy",
)  # fmt: skip

JOURNAL = "journal"
"""Folder of a store where paid completions are written down as they come."""


def run_task(task: Task, root: Path, progress: Callable[[int, int], None], options: Options = USUAL) -> bool:
    """Do one task against the store at `root`; `options` change nothing that it gives.

    Another process that does it is waited for; False where its artifact is there then.

    Raises:
        CorruptArtifact: if an input does not match its manifest.
        DiskFull: if there is no room for the artifact.
        Exception: whatever the stage raises; nothing is committed then.
    """
    store = LocalStore(root)
    with store.claim(task.stage, task.key) as claim:
        if store.has(task.stage, task.key):
            return False
        _make(task, store, progress, options, claim)
    return True


def _make(
    task: Task, store: LocalStore, progress: Callable[[int, int], None], options: Options, claim: int | None
) -> None:
    inputs = {name: store.open(needed.stage, needed.key) for name, needed in task.inputs.items()}
    parts = [store.open(part.stage, part.key) for part in task.parts]
    # imported before the clock starts: loading libraries is not part of any method's cost
    stage = importlib.import_module(f"harness.stages.{task.stage}")
    if "base_model" in inputs:
        _warm_up(inputs["base_model"], options.targets)
    tracking = options.tracking(task, store.root)
    if tracking is not None:
        load_tracker(tracking)
    with store.create(task.identity) as draft:
        meter = Meter(options.energy)
        with meter:
            kept, launch = lambda: draft.scratch, options.launch_of(task)
            job = Job(
                params=task.params,
                inputs=inputs,
                out=draft.folder,
                meter=meter,
                progress=progress,
                scratch=kept,
                tracking=tracking,
                launch=launch,
                knobs=task.knobs,
                journal=store.root / JOURNAL,
                parts=parts,
                claim=claim,
            )
            draft.missing = stage.run(job) or 0
            for part in task.parts:
                cost: dict[str, Any] = dict(store.manifest(part.stage, part.key).cost)
                meter.include(Cost(**cost))
        _check_unchanged(task, store.root)
        draft.cost = meter.cost.as_dict()
        draft.provenance = provenance() | _sampling(task) | launched(launch)


def _check_unchanged(task: Task, root: Path) -> None:
    """A task that reads a file of the user's has that file's digest in its parameters, and so in its key.

    A model in a folder is read by every task that it is an input of.

    Raises:
        BadInput: the file now holds something else, which would be stored under a key that is not its own.
    """
    knobs, digests = task.knobs, Digests(root)
    files = [(task, knobs.get(name)) for name in ("path", "template")]
    files.append((task, knobs.get("judge", {}).get("path")))
    if base := task.inputs.get("base_model"):
        files.append((base, base.knobs.get("path")))
    for known, path in files:
        if path is not None and content_digest(Path(path), digests.of) not in canonical(known.params):
            raise BadInput(
                f"{path}: changed after this run had begun. Run again: what it holds now has other keys."
            )
    digests.keep()


def _sampling(task: Task) -> dict[str, str]:
    """What a task samples with, where it does: no key holds it, and the bits of its results may."""
    if "sampling" not in task.knobs:
        return {}
    engine, size = task.knobs["sampling"]["engine"], task.knobs["sampling"]["batch_size"]
    return {"sampling": "vllm" if engine == "vllm" else f"transformers, batches of {size}"}


def launched(launch: Launch) -> dict[str, Any]:
    """Which processes shared a task, where several did: each has checked that it is one of so many."""
    if launch.processes == 1:
        return {}
    config = f", {launch.distributed}, config {digest(launch.config)[:12]}" if launch.config else ""
    return {"processes": launch.processes, "launcher": f"{launch.launcher}{config}"}


@cache
def _warm_up(base: Path, targets: tuple[str, ...] | None) -> None:
    """Once in a process for each base model: what would else be charged to whoever comes first.

    Raises:
        BadInput: it lacks one of `targets`, which a training would say after the pool has been paid for.
    """
    from harness.models.load import import_architecture

    import_architecture(base)
    if targets is not None:
        from harness.training.adapter import check_targets

        check_targets(base, targets)


@cache
def provenance() -> dict[str, Any]:
    """Where and with what this process computes: versions, commit, device, threads."""
    import torch

    return {
        "harness": harness.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _commit() -> str:
    """The commit of the checkout that runs, with a '+' where files differ from it; '' outside a checkout."""
    folder = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (
            "+" if git("status", "--porcelain", "--", str(folder.parent)) else ""
        )
    except OSError:
        return ""
