"""What the meter counts."""

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from harness.metering import Cost, Meter


def test_seconds_and_peak_memory() -> None:
    """Sleeping takes wall time and no processor time; 64 MB that were filled show in the peak."""
    with Meter() as meter:
        time.sleep(0.05)
        size = len(bytearray(b"x") * 64_000_000)
    assert meter.cost.wall_s >= 0.05
    assert meter.cost.cpu_s < meter.cost.wall_s
    assert meter.cost.peak_memory_bytes > size
    assert meter.cost.device_s == 0.0


def test_the_peak_of_one_block_is_not_the_next_ones() -> None:
    with Meter() as first:
        filled = bytearray(b"x") * 200_000_000
        del filled
    with Meter() as second:
        pass
    assert second.cost.peak_memory_bytes < first.cost.peak_memory_bytes - 100_000_000


def test_flops_by_hand() -> None:
    """10 tokens forward through 7 parameters: 2 x 7 x 10 = 140; 5 backward with 3 of them trained:
    2 x 7 x 5 for the activations and 2 x 3 x 5 for the weights, 100 together.
    """
    meter = Meter()
    meter.count(forward=10, backward=5, parameters=7, trainable=3)
    assert meter.cost.flops == pytest.approx(240)
    assert (meter.cost.tokens_forward, meter.cost.tokens_backward) == (10, 5)
    meter.count(forward=1)
    meter.count_judge(calls=4, usd=0.25, tokens=(900, 30), unpriced=1)
    assert (meter.cost.judge_tokens_in, meter.cost.judge_tokens_out, meter.cost.judge_unpriced) == (
        900,
        30,
        1,
    )
    assert (meter.cost.tokens_forward, meter.cost.judge_calls, meter.cost.judge_usd) == (11, 4, 0.25)


def test_seconds_of_an_earlier_process_are_carried() -> None:
    """Once, beside those of the block itself."""
    with Meter() as meter:
        meter.carry(100.0, 50.0)
        wall = meter.seconds[0]
    assert 100 <= wall < 200
    assert 100 <= meter.cost.wall_s < 200
    assert 50 <= meter.cost.cpu_s < 100


def test_the_cost_of_other_processes_replaces_the_wait_for_them() -> None:
    with Meter() as meter:
        meter.carry(100.0, 50.0)
        meter.hand_over(Cost(wall_s=7.0, cpu_s=14.0, flops=3.0, tokens_forward=2, peak_memory_bytes=2**60))
    assert 107 <= meter.cost.wall_s < 200
    assert 64 <= meter.cost.cpu_s < 100
    assert (meter.cost.flops, meter.cost.tokens_forward) == (3.0, 2)
    assert meter.cost.peak_memory_bytes == 2**60


class Cuda:
    """`torch.cuda` of a machine with a GPU, as far as the meter knows it; memory is what a test says."""

    def __init__(self) -> None:
        self.allocated = self.peak = 0
        self.begun = False

    def is_available(self) -> bool:
        return True

    def synchronize(self) -> None:
        self.begun = True

    def reset_peak_memory_stats(self) -> None:
        assert self.begun, "the real one refuses before CUDA has begun"
        self.peak = self.allocated

    def max_memory_allocated(self) -> int:
        return self.peak

    def hold(self, size: int) -> None:
        self.allocated = size
        self.peak = max(self.peak, size)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    cuda = Cuda()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    return cuda


def test_the_devices_peak_is_of_the_block_alone(cuda: Cuda) -> None:
    """500 at the most, 200 of which are still held when the next block begins and takes 100 more."""
    with Meter() as first:
        cuda.hold(500)
        cuda.hold(200)
    with Meter() as second:
        cuda.hold(300)
    assert (first.cost.peak_device_bytes, second.cost.peak_device_bytes) == (500, 300)
    assert first.cost.device_s == first.cost.wall_s > 0


def test_a_device_that_is_there_and_not_used_has_a_peak_of_zero(cuda: Cuda) -> None:
    with Meter() as meter:
        pass
    assert meter.cost.peak_device_bytes == 0


def test_of_parts_and_of_other_processes_the_largest_peak_counts(cuda: Cuda) -> None:
    """Parts of 70 and of no device beside 40 of its own; then other processes of 90."""
    with Meter() as meter:
        cuda.hold(40)
        meter.include(Cost(peak_memory_bytes=2**60, peak_device_bytes=70))
        meter.include(Cost(peak_memory_bytes=2**59))
    assert (meter.cost.peak_memory_bytes, meter.cost.peak_device_bytes) == (2**60, 70)
    meter.hand_over(Cost(peak_device_bytes=90))
    assert meter.cost.peak_device_bytes == 90


def test_without_a_device_there_is_no_peak_of_it_and_torch_is_not_loaded() -> None:
    """In a process of its own, since torch is loaded here."""
    code = (
        "import sys; from harness.metering import Meter\n"
        "with Meter() as meter: pass\n"
        "assert 'torch' not in sys.modules; print(meter.cost.peak_device_bytes, meter.cost.device_s)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "0.0"]
