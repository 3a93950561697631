"""The best of a method's trials: its adapter, and what was tried."""

import shutil

from harness.errors import Diverged
from harness.stages.job import Job
from harness.store.formats import RESULT, read_json, write_json
from harness.store.manifest import NAME


def run(job: Job) -> None:
    """Take the adapter with the highest win rate, the first of several; its log lists all trials.

    Raises:
        Diverged: every trial did.
    """
    tried = [
        {"settings": settings, "win_rate": read_json(job.inputs[f"trial_{number}"] / RESULT)["win_rate"]}
        for number, settings in enumerate(job.params["settings"])
    ]
    standing = [number for number, each in enumerate(tried) if each["win_rate"] is not None]
    if not standing:
        raise Diverged(f"tuning: all {len(tried)} trials diverged. Give the space lower learning rates.")
    best = max(standing, key=lambda number: tried[number]["win_rate"])
    chosen = job.inputs[f"adapter_{best}"]
    shutil.copytree(chosen, job.out, ignore=shutil.ignore_patterns(RESULT, NAME), dirs_exist_ok=True)
    tuning = {"prompts": job.params["prompts"], "chosen": best, "trials": tried}
    write_json(job.out / RESULT, read_json(chosen / RESULT) | {"tuning": tuning})
