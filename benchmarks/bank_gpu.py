"""The gradient bank's pass on a GPU, over a plain pass: random Llamas of 1B and 8B shape in bf16."""

from collections.abc import Callable, Mapping
from functools import partial
from statistics import median

import torch

from benchmarks.bank import WARM_B, bank_pass, plain_pass
from benchmarks.figure import Benchmark, Figure, Skipped, at_most
from benchmarks.shapes import Shape, disturb, random_model, random_rows

NAME, RANK, ROUNDS = "bank-gpu", 32, 3
SHAPES = {
    "Llama 1B shape": Shape(
        hidden=2048, layers=16, intermediate=8192, vocabulary=128_256, rows=64, batch=16,
        heads=32, key_value_heads=8, prompt=512, response=512,
    ),
    "Llama 8B shape": Shape(
        hidden=4096, layers=32, intermediate=14_336, vocabulary=128_256, rows=16, batch=2,
        heads=32, key_value_heads=8, prompt=512, response=512,
    ),
}  # fmt: skip


def measure() -> list[Figure]:
    """Device time and peak memory, with a fresh adapter and with one after a warm-up.

    Raises:
        Skipped: there is no CUDA device.
    """
    if not torch.cuda.is_available():
        raise Skipped("no CUDA device")
    figures = []
    for case, shape in SHAPES.items():
        model, rows = random_model(shape, RANK, 0.0, torch.bfloat16, "cuda"), random_rows(shape)
        for state, b_std in (("fresh adapter", 0.0), ("adapter after a warm-up", WARM_B)):
            disturb(model, b_std)
            works = {
                "plain": partial(plain_pass, model, rows, shape.batch),
                "bank": partial(bank_pass(model, shape.batch), rows),
            }
            seconds, memory = device_seconds(works), {name: peak(work) for name, work in works.items()}
            figures += [
                _figure(f"{case}, {state}: device time, plain = 1", seconds["bank"] / seconds["plain"], 1.1),
                _figure(f"{case}, {state}: peak memory, plain = 1", memory["bank"] / memory["plain"], 1.05),
            ]
        del model
        torch.cuda.empty_cache()
    return figures


def device_seconds(works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median device seconds of each, between CUDA events; one warm-up, then A B A B ..."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(ROUNDS + 1):
        for name, work in works.items():
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            torch.cuda.synchronize()
            start.record()
            work()
            end.record()
            torch.cuda.synchronize()
            if turn > 0:
                taken[name].append(start.elapsed_time(end) / 1000)
    return {name: median(times) for name, times in taken.items()}


def peak(work: Callable[[], object]) -> int:
    """Bytes allocated at the peak."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated()


def _figure(case: str, value: float, bound: float) -> Figure:
    name = torch.cuda.get_device_name()
    return at_most(Figure(NAME, case, value, "", "-", None, name, f"python -m benchmarks {NAME}"), bound)


BENCHMARKS = (Benchmark(NAME, "the same as `bank` on a GPU, for models of 1B and 8B shape in bf16", measure),)
