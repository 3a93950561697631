"""Joules that this machine's own counters saw: processors by RAPL, NVIDIA devices by NVML (extra `energy`).

Both counters are of the whole machine. Where one task runs at a time, the difference over it is `measured`.
Where several run, each gets the share of it that its processor time has in all that the machine's processors
did: `estimated`. Where the processors' counter cannot be read (RAPL needs rights, virtual machines have
none), what devices drew is `device only`; without devices, or with one that cannot tell, it is `n.a.`.
"""

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from harness.errors import BadInput

RAPL = Path("/sys/class/powercap")
Label = Literal["measured", "estimated", "device only", "n.a."]
LABELS: tuple[Label, ...] = get_args(Label)
"""Best first: a sum is called after the worst of its parts."""


@dataclass(frozen=True)
class Counters:
    """Microjoules of each RAPL domain with the value at which it wraps, joules of devices, busy seconds."""

    domains: dict[str, tuple[int, int]]
    device_j: float | None
    busy_s: float


def check_energy() -> None:
    """Raise BadInput where the extra is not installed."""
    if find_spec("pynvml") is None:
        raise BadInput("--energy: needs the extra 'energy'. Run: pip install 'harness[energy]'")


def read_counters(rapl: Path = RAPL) -> Counters:
    """The counters now; what cannot be read is not there."""
    return Counters(_domains(rapl), _device_joules(), _busy_seconds())


def joules(before: Counters, after: Counters, cpu_s: float, shared: bool) -> tuple[float | None, Label]:
    """What was drawn between two readings, by a task that took so many processor seconds, and its label."""
    drawn = [_microjoules(before.domains[name], after.domains.get(name)) for name in before.domains]
    known = bool(drawn) and None not in drawn
    if before.device_j is None or after.device_j is None or not (known or after.device_j):
        return None, "n.a."
    processors = sum(part for part in drawn if part is not None) / 1e6 if known else 0.0
    total = processors + after.device_j - before.device_j
    if shared:
        busy = after.busy_s - before.busy_s
        total *= min(1.0, cpu_s / busy) if busy > 0 else 1.0
    return total, "device only" if not known else "estimated" if shared else "measured"


def _microjoules(before: tuple[int, int], after: tuple[int, int] | None) -> int | None:
    """The difference of a counter that starts again from zero after its range."""
    if after is None:
        return None
    return after[0] - before[0] if after[0] >= before[0] else after[0] + before[1] - before[0]


def _domains(rapl: Path) -> dict[str, tuple[int, int]]:
    """Packages and their memory; what a package holds besides (core, uncore) is part of it."""
    found = {}
    for folder in sorted(rapl.glob("intel-rapl:*")):
        try:
            name = (folder / "name").read_text().strip()
            if name.startswith("package") or name == "dram":
                used, wraps = ((folder / file).read_text() for file in ("energy_uj", "max_energy_range_uj"))
                found[folder.name] = int(used), int(wraps)
        except (OSError, ValueError):
            return {}  # a part of the processors' energy would pass for the whole
    return found


def _device_joules() -> float | None:
    """Of all visible devices since their driver was loaded, 0 without any; None where one cannot tell."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return 0.0
    import pynvml

    try:
        pynvml.nvmlInit()
        devices = [_handle(pynvml, torch, index) for index in range(torch.cuda.device_count())]
        return float(sum(map(pynvml.nvmlDeviceGetTotalEnergyConsumption, devices))) / 1e3
    except pynvml.NVMLError:
        return None


def _handle(nvml: Any, torch: Any, index: int) -> Any:
    """By its UUID: NVML numbers devices otherwise than CUDA does."""
    return nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(index).uuid}")


def _busy_seconds() -> float:
    """Processor time of everything on this machine but idling: user, nice, system (proc(5))."""
    try:
        ticks = Path("/proc/stat").read_text().split(maxsplit=4)[1:4]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return 0.0
