"""What this machine has: packages, processors and memory, disk, and the way to the hub."""

import importlib
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from harness.commands.findings import Finding
from harness.models.hub import Access

GIB = 2**30
LITTLE_DISK = 5 * GIB
HEAVY = ("torch", "transformers", "trl", "peft", "datasets", "lm_eval", "alpaca_eval")
"""What `--deep` imports, by module."""


@dataclass(frozen=True)
class Device:
    """A GPU by name, or the CPU; and its memory in bytes."""

    name: str
    memory: int
    gpu: bool


def device() -> Device:
    """The first CUDA device, else the CPU with the machine's memory. Imports torch."""
    import torch

    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        return Device(str(facts.name), int(facts.total_memory), gpu=True)
    name = f"{platform.machine()}, {os.cpu_count()} cores, no CUDA device"
    return Device(name, int(psutil.virtual_memory().total), gpu=False)


def gpu_count() -> int:
    """How many CUDA devices there are. Imports torch."""
    import torch

    return torch.cuda.device_count()


def package_findings(wanted: list[str] | None = None) -> Iterator[Finding]:
    """Every package that harness needs, as installed, against its range; by its metadata only."""
    for line in requires("harness") or [] if wanted is None else wanted:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _package(requirement)


def _package(requirement: Requirement) -> Finding:
    name, span = requirement.name, str(requirement.specifier) or "any version"
    found = installed(name)
    if found is None:
        return Finding(name, f"missing; {span} is needed", f"pip install '{requirement}'.")
    if not requirement.specifier.contains(found, prereleases=True):
        return Finding(name, f"{found}; {span} is needed", f"pip install '{requirement}'.")
    return Finding(name, f"{found} ({span})")


def installed(name: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def machine_findings(found: Device, count: int, store: Path) -> Iterator[Finding]:
    """Python, device, memory, and the disk under the store."""
    yield Finding("python", platform.python_version())
    many = f"{count} x " if count > 1 else ""
    yield Finding("device", f"{many}{found.name}, {found.memory / GIB:.0f} GiB")
    memory = psutil.virtual_memory()
    yield Finding("memory", f"{memory.total / GIB:.0f} GiB, {memory.available / GIB:.0f} GiB free")
    free = shutil.disk_usage(next(each for each in (store, *store.absolute().parents) if each.exists())).free
    remedy = (
        "Free some, or name another folder with --store or HARNESS_STORE." if free < LITTLE_DISK else None
    )
    yield Finding("disk", f"{free / GIB:.0f} GiB free for the store in {store}", remedy)


def hub_findings(access: Access) -> Iterator[Finding]:
    """The hub and its token, which is not shown; neither is needed where all is stored."""
    if access.offline:
        state = "off (HF_HUB_OFFLINE is set): what is stored can be used, nothing can be fetched"
    else:
        state = "answers" if access.answers else "does not answer: what is stored can be used"
    yield Finding("hub", f"{access.endpoint} {state}")
    yield Finding("hub token", "there" if access.token else "none: gated models need 'hf auth login'")


def import_findings() -> Iterator[Finding]:
    """The heavy packages, imported."""
    for name in HEAVY:
        try:
            importlib.import_module(name)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            yield Finding(f"import {name}", f"fails: {reason}", f"Install {name} again.")
        else:
            yield Finding(f"import {name}", "works")
