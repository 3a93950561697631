"""Wall, processor and device time, peak memory, tokens and FLOPs of a block of work."""

import resource
import sys
import time
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
    ran forward beside them; where tokens run backward too, so do their pads. `energy` says how the joules
    are known (`harness.energy.LABELS`); both are None where nobody asked.
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


class Meter:
    """Measures the block inside `with`; the block adds its counts.

    Args:
        energy: whether other tasks run beside this one, if the energy counters are to be read; None: do not.
    """

    def __init__(self, energy: bool | None = None) -> None:
        self.cost = Cost()
        self._shared, self._carried = energy, False

    def __enter__(self) -> "Meter":
        _reset_peak()
        _synchronize()
        self._counters = None if self._shared is None else read_counters()
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        on_device = _synchronize()
        wall = time.perf_counter() - self._wall
        self.cost = replace(
            self.cost,
            wall_s=self.cost.wall_s + wall,
            cpu_s=self.cost.cpu_s + time.process_time() - self._cpu,
            device_s=self.cost.device_s + (wall if on_device else 0.0),
            peak_memory_bytes=max(self.cost.peak_memory_bytes, _peak()),
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
        device = wall_s if _synchronize() else 0.0
        self._carried = self._carried or wall_s > 0
        self.cost = replace(
            self.cost,
            wall_s=self.cost.wall_s + wall_s,
            cpu_s=self.cost.cpu_s + cpu_s,
            device_s=self.cost.device_s + device,
        )

    def include(self, cost: Cost) -> None:
        """Add the cost of parts of the work that other tasks did; of their memory, the largest counts."""
        peak = max(self.cost.peak_memory_bytes, cost.peak_memory_bytes)
        self.cost = replace(_summed(self.cost, cost), peak_memory_bytes=peak)

    def hand_over(self, cost: Cost) -> None:
        """Take the cost of other processes that did the work, in place of the wait for them."""
        self.cost = _summed(self.cost, cost)
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


def _summed(mine: Cost, theirs: Cost) -> Cost:
    """Both together, but for energy: what other processes drew is not known here."""
    numbers = [name for name in asdict(mine) if name not in ("energy_j", "energy")]
    return Cost(**{name: getattr(mine, name) + getattr(theirs, name) for name in numbers})


def _synchronize() -> bool:
    """Wait for the CUDA device where torch is loaded and has one; whether there is one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return False
    torch.cuda.synchronize()
    return True


def _reset_peak() -> None:
    """Start a new high-water mark, so that one task's peak is not the next one's (Linux only)."""
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
