"""Wall, processor and device time, peak memory, tokens and FLOPs of a block of work."""

import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.energy import joules, read_counters


@dataclass(frozen=True)
class Cost:
    """What a piece of work cost.

    Seconds; FLOPs by formula (`Meter.count`); tokens without padding; bytes at the peak; judge calls, US
    dollars, tokens of an endpoint, and how many of the calls have no known price. Of the tokens forward,
    some were generated here, and some are a judge's model's (scored). `tokens_padding` counts the pads that
    ran forward beside them; where tokens run backward too, so do their pads. `device_s` is the wall time of
    work that had a CUDA device, whether or not it kept it busy. `peak_memory_bytes` is of the process;
    `peak_device_bytes` is what PyTorch's tensors took of one CUDA device, None without one. `energy` says how
    the joules are known (`harness.energy.LABELS`); both are None where nobody asked.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    device_s: float = 0.0
    flops: float = 0.0
    tokens_forward: int = 0
    tokens_backward: int = 0
    tokens_generated: int = 0
    tokens_scored: int = 0
    tokens_padding: int = 0
    peak_memory_bytes: int = 0
    peak_device_bytes: int | None = None
    judge_calls: int = 0
    judge_usd: float = 0.0
    judge_tokens_in: int = 0
    judge_tokens_out: int = 0
    judge_unpriced: int = 0
    energy_j: float | None = None
    energy: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers under the names of the leaderboard's cost columns."""
        return asdict(self)


PEAKS = ("peak_memory_bytes", "peak_device_bytes")
"""What does not add up: two pieces of work, one after the other, need the larger of their memories."""


class Meter:
    """Measures the block inside `with`; the block adds its counts.

    Args:
        energy: whether other tasks run beside this one, if the energy counters are to be read; None: do not.
    """

    def __init__(self, energy: bool | None = None) -> None:
        self.cost = Cost()
        self._shared, self._carried = energy, False

    def __enter__(self) -> "Meter":
        _reset_peaks(_cuda_at_rest())
        self._counters = None if self._shared is None else read_counters()
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cuda = _cuda_at_rest()
        wall = time.perf_counter() - self._wall
        on_device = None if cuda is None else cuda.max_memory_allocated()
        self.cost = replace(
            self.cost,
            wall_s=self.cost.wall_s + wall,
            cpu_s=self.cost.cpu_s + time.process_time() - self._cpu,
            device_s=self.cost.device_s + (0.0 if cuda is None else wall),
            peak_memory_bytes=max(self.cost.peak_memory_bytes, _peak()),
            peak_device_bytes=largest([self.cost.peak_device_bytes, on_device]),
        )
        if self._counters is not None and self._shared is not None:
            used, label = joules(self._counters, read_counters(), self.cost.cpu_s, self._shared)
            if self._carried:  # nobody read the counters of the earlier process
                used, label = None, "n.a."
            self.cost = replace(self.cost, energy_j=used, energy=label)

    def count(
        self,
        *,
        forward: int = 0,
        backward: int = 0,
        parameters: int = 0,
        trainable: int = 0,
        generated: int = 0,
        scored: int = 0,
        padding: int = 0,
    ) -> None:
        """Add tokens, and their FLOPs: 2N for each token forward; backward 2N for the gradient of the
        activations and 2 x trainable for that of the weights (Kaplan et al., arXiv 2001.08361, 2.1,
        with frozen weights left out). Pads are counted, and have no FLOPs here.

        Left out is what attention multiplies by itself: length / (6 x hidden) of the rest, 3 % for 25 tokens
        at 128. With adapters a gradient into the first layer is counted that is not needed, about
        1 / (4 x layers) of the backward pass. Both were found with torch's FlopCounterMode.

        Args:
            forward: tokens run forward, padding excluded.
            backward: tokens run backward.
            parameters: N, all parameters that a token passes through.
            trainable: how many of them are trained.
            generated: tokens of responses that a model here wrote; they are among those forward.
            scored: tokens that a judge's model here read or wrote; they are among those forward.
            padding: pads run forward beside the tokens.
        """
        flops = 2.0 * parameters * forward + 2.0 * (parameters + trainable) * backward
        self.cost = replace(
            self.cost,
            flops=self.cost.flops + flops,
            tokens_forward=self.cost.tokens_forward + forward,
            tokens_backward=self.cost.tokens_backward + backward,
            tokens_generated=self.cost.tokens_generated + generated,
            tokens_scored=self.cost.tokens_scored + scored,
            tokens_padding=self.cost.tokens_padding + padding,
        )

    @property
    def seconds(self) -> tuple[float, float]:
        """(wall, CPU) so far inside the block, with what was carried over from earlier processes."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return self.cost.wall_s + wall, self.cost.cpu_s + cpu

    def carry(self, wall_s: float, cpu_s: float) -> None:
        """Add the seconds of work that an earlier process did for the same result."""
        device = 0.0 if _cuda_at_rest() is None else wall_s
        self._carried = self._carried or wall_s > 0
        self.cost = replace(
            self.cost,
            wall_s=self.cost.wall_s + wall_s,
            cpu_s=self.cost.cpu_s + cpu_s,
            device_s=self.cost.device_s + device,
        )

    def include(self, cost: Cost) -> None:
        """Add the cost of parts of the work that other tasks did; of their memory, the largest counts."""
        self.cost = _together(self.cost, cost)

    def hand_over(self, cost: Cost) -> None:
        """Take the cost of other processes that did the work, in place of the wait for them."""
        self.cost = _together(self.cost, cost)
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def count_judge(
        self, calls: int, usd: float = 0.0, tokens: tuple[int, int] = (0, 0), unpriced: int = 0
    ) -> None:
        """Add judge calls and what they cost: tokens (sent, received), and calls of no known price."""
        self.cost = replace(
            self.cost,
            judge_calls=self.cost.judge_calls + calls,
            judge_usd=self.cost.judge_usd + usd,
            judge_tokens_in=self.cost.judge_tokens_in + tokens[0],
            judge_tokens_out=self.cost.judge_tokens_out + tokens[1],
            judge_unpriced=self.cost.judge_unpriced + unpriced,
        )


def largest(peaks: Iterable[int | None]) -> int | None:
    """Of those that were measured; None where none was."""
    return max((peak for peak in peaks if peak is not None), default=None)


def _together(mine: Cost, theirs: Cost) -> Cost:
    """The sum, of memory the larger, and no energy: what other processes drew is not known here."""
    found: dict[str, Any] = {}
    for name, own in asdict(mine).items():
        if name not in ("energy_j", "energy"):
            both = own, getattr(theirs, name)
            found[name] = largest(both) if name in PEAKS else sum(both)
    return Cost(**found)


def _cuda_at_rest() -> Any | None:
    """`torch.cuda`, its work being done, where torch is loaded and has a device; else None."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    torch.cuda.synchronize()
    return torch.cuda


def _reset_peaks(cuda: Any | None) -> None:
    """Start new high-water marks, so that one task's peak is not the next one's (the host's: Linux only)."""
    if cuda is not None:
        cuda.reset_peak_memory_stats()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
