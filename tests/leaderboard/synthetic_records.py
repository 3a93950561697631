"""Records made in code: what a test does not care about has a fixed value."""

from collections.abc import Mapping, Sequence

import numpy as np

from harness.leaderboard.record import Cost, Items, Record, Sample, TaskCost

WIN_RATE = "alpaca_eval.win_rate"
FIXED = {
    "seeds": {"replicates": [0, 1, 2], "vary": ["pool", "selection", "training", "evaluation"]},
    "budget": {"responses": 768, "pairs": None},
    "pool": {"prompts": {"kind": "atlas", "count": 800}},
}

Rows = Mapping[str, Sequence[float | None]]


def cost(wall: float = 0.0, flops: float = 0.0, peak: int = 0) -> Cost:
    return Cost(
        wall_s=wall,
        cpu_s=wall,
        device_s=0,
        flops=flops,
        tokens_forward=0,
        tokens_backward=0,
        peak_memory_bytes=peak,
        judge_calls=0,
        judge_usd=0,
    )


def task(key: str, stage: str = "adapter", role: str = "method", spent: Cost | None = None) -> TaskCost:
    return TaskCost.model_validate({"stage": stage, "key": key, "role": role, "cost": spent or cost(1, 1)})


def items(rows: Rows) -> Items:
    return Items(ids=list(rows), values=[list(row) for row in rows.values()])


def record(method: str = "dpo", replicate: int = 0, **changes: object) -> Record:
    """A complete record of a board with the baseline `dpo` and two prompts; `changes` replace fields."""
    fields: dict[str, object] = {
        "recipe": "bpo",
        "title": "Breadth and depth",
        "baseline": "dpo",
        "method": method,
        "replicate": replicate,
        "fixed": FIXED,
        "declared": {},
        "order": 0,
        "comparable": {"judge": "oracle-1", "device": "cpu"},
        "pairs": 8,
        "prompts": 4,
        "pairs_dropped": 0,
        "pairs_truncated": 0,
        "notes": [],
        "items": {WIN_RATE: items({"p0": [100.0, 0.0], "p1": [50.0, 100.0]})},
        "tasks": [task(f"{method}-{replicate}")],
        "training": {},
        "samples": [],
        "provenance": {"commit": "abc", "harness": "0.1.0", "python": "3.11.7", "packages": {"torch": "2"}},
    }
    return Record.model_validate(fields | changes)


def board(
    methods: Mapping[str, float], replicates: int = 3, prompts: int = 60, samples: int = 4, seed: int = 0
) -> list[Record]:
    """Records of methods with about the given true win rates, from 100 x Bernoulli outcomes of samples.

    Prompts are of different difficulty, the same for all methods, and replicates shift a method by about half
    a point; the first method is the baseline.
    """
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 0.15, prompts)
    return [
        _noisy(
            method, order, replicate, rate / 100 + difficulty + rng.normal(0, 0.005), samples, rng
        ).model_copy(update={"baseline": next(iter(methods))})
        for order, (method, rate) in enumerate(methods.items())
        for replicate in range(replicates)
    ]


def _noisy(
    method: str, order: int, replicate: int, chance: np.ndarray, samples: int, rng: np.random.Generator
) -> Record:
    wins = 100.0 * (rng.random((len(chance), samples)) < chance[:, None])
    lengths = rng.integers(80, 160, wins.shape).astype(float)
    ids = [f"p{number}" for number in range(len(chance))]
    return record(
        method,
        replicate,
        order=order,
        declared={"depth": {"kind": "uniform", "pairs": 4}} if order else {},
        items={
            WIN_RATE: Items(ids=ids, values=wins.tolist()),
            "alpaca_eval.mean_length": Items(ids=ids, values=lengths.tolist()),
            "world.breadth": Items(ids=["f0", "f1"], values=[[1.0], [float(rng.integers(0, 2))]]),
        },
        tasks=[
            task("base", "base_model", "given", cost(500, 5e12)),
            task(f"pool-{replicate}", "responses", "method", cost(8, 1e11, 300_000_000)),
            task(f"{method}-{replicate}", "adapter", "method", cost(10 + order, 2e11, 200_000_000 + order)),
            task(f"{method}-{replicate}-judged", "alpaca_eval", "evaluation", cost(3, 0)),
        ],
        samples=[
            Sample(prompt="Name a river.", reference="The Nile.", output=f"{method} | <b>", preference=1.5)
        ],
    )
