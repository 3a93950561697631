"""A step on all pairs of a prompt, and a training beside TRL's, on a GPU: a random 1B Llama in bf16."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any, get_args

import torch

from benchmarks.bank_gpu import SHAPES, device_seconds, peak
from benchmarks.figure import Benchmark, Figure, Skipped, at_most
from benchmarks.grouped import B_STD, RANK, make_work
from benchmarks.shapes import Shape, random_model
from benchmarks.training import PAIRS, RESPONSES, one_epoch
from harness.models.quiet import quiet
from harness.training.grouped import Prefix

NAME, PROMPTS, TRAININGS = "grouped-gpu", 8, 3
STEPS = {"a prompt a step": 8, "4 prompts a step, in one pass of ours and four of TRL's": 32}
"""Pairs in an optimiser step; TRL's passes hold 8 pairs, whose 16 rows have logits over 128k tokens."""
SHAPE = replace(SHAPES["Llama 1B shape"], response=256)
CASE = f"Llama 1B shape, P = {SHAPE.prompt}, R = {SHAPE.response}, K = {RESPONSES}, d = {PAIRS}"


def measure() -> list[Figure]:
    """Device time and peak memory of a step, and the time of the steps of a training beside TRL's.

    Raises:
        Skipped: there is no CUDA device.
    """
    if not torch.cuda.is_available():
        raise Skipped("no CUDA device")
    return [*_steps(SHAPE), *_training(SHAPE)]


def _steps(shape: Shape) -> Iterator[Figure]:
    model = random_model(shape, RANK, B_STD, torch.bfloat16, "cuda")
    work = make_work(model, shape, RESPONSES, PAIRS)
    works: dict[str, Callable[[], object]] = {"plain": partial(work.step, work.plain)}
    works |= {way: partial(work.step, partial(work.grouped, way)) for way in get_args(Prefix)}
    seconds, memory = device_seconds(works), {name: peak(each) for name, each in works.items()}
    for way in get_args(Prefix):
        yield _figure(f"{CASE}: step by '{way}', times quicker", seconds["plain"] / seconds[way])
        share = _figure(
            f"{CASE}: step by '{way}', peak memory, pair by pair = 1", memory[way] / memory["plain"]
        )
        yield at_most(share, 1.0)


def _training(shape: Shape) -> Iterator[Figure]:
    """Of the steps alone, each trainer made anew outside the clock; TRL without checkpointing, in bf16."""
    for how, step in STEPS.items():
        taken: dict[str, list[float]] = {"ours": [], "trl": []}
        with one_epoch(shape, PROMPTS, "bf16", step, step) as job:
            for turn in range(TRAININGS + 1):
                for name, make in {"ours": job.trainer, "trl": job.trl_trainer}.items():
                    seconds = _device_seconds(make())
                    torch.cuda.empty_cache()
                    if turn > 0:
                        taken[name].append(seconds)
        quicker = median(taken["trl"]) / median(taken["ours"])
        yield _figure(f"{CASE}: training, {how}, times quicker than TRL", quicker)


def _device_seconds(trainer: Any) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    start.record()
    with quiet():
        trainer.train()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end) / 1000)


def _figure(case: str, value: float) -> Figure:
    name = torch.cuda.get_device_name()
    return Figure(NAME, case, value, "", "-", None, name, f"python -m benchmarks {NAME}")


BENCHMARKS = (Benchmark(NAME, "`grouped-step` and `training-vs-trl` on a GPU, 1B shape in bf16", measure),)
