"""What counters say becomes joules with an honest label."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.energy import Counters, check_energy, joules, read_counters
from harness.metering import Meter


def domain(rapl: Path, folder: str, name: str, used: int) -> None:
    (rapl / folder).mkdir(parents=True)
    for file, text in {"name": name, "energy_uj": str(used), "max_energy_range_uj": "1000000"}.items():
        (rapl / folder / file).write_text(f"{text}\n")


def test_packages_and_their_memory_are_read_and_nothing_twice(tmp_path: Path) -> None:
    """`core` lies inside its package, so it is left out."""
    domain(tmp_path, "intel-rapl:0", "package-0", 7)
    domain(tmp_path, "intel-rapl:0:0", "core", 5)
    domain(tmp_path, "intel-rapl:0:1", "dram", 3)
    assert read_counters(tmp_path).domains == {
        "intel-rapl:0": (7, 1_000_000),
        "intel-rapl:0:1": (3, 1_000_000),
    }
    (tmp_path / "intel-rapl:0:1" / "energy_uj").write_text("no number")
    assert read_counters(tmp_path).domains == {}


def rounded(found: tuple[float | None, str]) -> tuple[float | None, str]:
    used, label = found
    return None if used is None else round(used, 9), label


BEFORE = Counters({"a": (900_000, 1_000_000), "b": (0, 1_000_000)}, 10.0, 100.0)
AFTER = Counters({"a": (100_000, 1_000_000), "b": (300_000, 1_000_000)}, 14.5, 108.0)


def test_a_task_alone_on_the_machine_is_measured() -> None:
    """Domain a wrapped: 0.2 J. With b's 0.3 J and the device's 4.5 J: 5 J."""
    assert rounded(joules(BEFORE, AFTER, 2.0, shared=False)) == (5.0, "measured")


def test_tasks_beside_each_other_get_their_share_of_processor_time() -> None:
    """2 of the machine's 8 busy seconds: a quarter of 5 J; never more than all of it."""
    assert rounded(joules(BEFORE, AFTER, 2.0, shared=True)) == (1.25, "estimated")
    assert rounded(joules(BEFORE, AFTER, 9.0, shared=True)) == (5.0, "estimated")


def test_without_the_processors_only_the_device_is_known() -> None:
    before, after = replace(BEFORE, domains={}), replace(AFTER, domains={})
    assert joules(before, after, 2.0, shared=False) == (4.5, "device only")
    none = replace(before, device_j=0.0)
    assert joules(none, none, 2.0, shared=False) == (None, "n.a.")


def test_a_device_that_cannot_tell_leaves_the_sum_unknown() -> None:
    assert joules(replace(BEFORE, device_j=None), AFTER, 2.0, shared=False) == (None, "n.a.")


def test_a_meter_says_what_this_machine_can_tell() -> None:
    """The real counters of this machine: joules if and only if it has them; none where nobody asked."""
    with Meter(energy=False) as meter:
        sum(range(10_000))
    counters = read_counters()
    known = bool(counters.domains) or bool(counters.device_j)
    assert (meter.cost.energy_j is not None) == known
    assert meter.cost.energy in (("measured", "device only") if known else ("n.a.",))
    with Meter() as silent:
        pass
    assert (silent.cost.energy_j, silent.cost.energy) == (None, None)


def test_work_of_an_earlier_process_leaves_the_energy_unknown() -> None:
    with Meter(energy=False) as meter:
        meter.carry(2.0, 1.0)
    assert (meter.cost.energy_j, meter.cost.energy) == (None, "n.a.")
    assert meter.cost.wall_s > 2.0
    assert meter.cost.cpu_s > 1.0


def test_nvml_is_the_real_package_where_the_extra_is_installed() -> None:
    """Without a driver it says so in its own words, which `read_counters` takes for no device."""
    nvml = pytest.importorskip("pynvml", reason="the extra 'energy' is not installed")
    check_energy()
    assert issubclass(nvml.NVMLError_LibraryNotFound, nvml.NVMLError)
    assert callable(nvml.nvmlDeviceGetTotalEnergyConsumption)
    assert callable(nvml.nvmlDeviceGetHandleByUUID)
