"""What selection costs beside training in the default recipe, and whether our training pays for it."""

from functools import partial

import torch

from benchmarks.commands import device
from benchmarks.figure import Benchmark, Figure, at_most
from benchmarks.plain_trl import plain_trl
from benchmarks.prepared import METHOD, prepared
from benchmarks.timing import interleaved

NAME = "net-overhead"
SELECTION = ("embeddings", "breadth", "gradients", "pairs")
"""The stages whose work is choosing: prompts, and how many and which pairs."""


def measure() -> list[Figure]:
    """Every stage again on the inputs it had, and TRL's own trainer on the same pairs."""
    torch.set_num_threads(1)
    made = prepared()
    training = made.tasks["adapter"]
    stages = {name: partial(made.again, name) for name in (*SELECTION, "adapter")}
    trl = plain_trl(
        made.folder("base_model"),
        made.folder("pairs") / "pairs.jsonl",
        training.params,
    )
    seconds = interleaved({**stages, "trl": trl})
    selection = sum(seconds[name] for name in SELECTION)
    steps = ", ".join(f"{name} {taken:.2f} s" for name, taken in seconds.items())
    net = (selection + seconds["adapter"]) / seconds["trl"] - 1
    return [
        _figure(f"{METHOD}: selection over its training ({steps})", 100 * selection / seconds["adapter"]),
        _figure(f"{METHOD}: our training against plain TRL", 100 * (seconds["adapter"] / seconds["trl"] - 1)),
        at_most(_figure(f"{METHOD}: selection and training against plain TRL on its pairs", 100 * net), 8),
    ]


def _figure(case: str, value: float) -> Figure:
    return Figure(NAME, case, value, "%", "-", None, device(), f"python -m benchmarks {NAME}")


BENCHMARKS = (Benchmark(NAME, "what selection adds to the cost of training in the default recipe", measure),)
