"""Cheaper features of pairs against exact ones, on the embedded world's base model."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.commands import device
from benchmarks.figure import Benchmark, Figure
from harness.data.rows import Prompt, Response
from harness.data.tokens import Encoded, pad, response_logprobs
from harness.methods.candidates import Candidates, make_candidates
from harness.methods.clustering import Matrix
from harness.methods.feature_adapter import add_feature_adapter, keep_last_layers
from harness.methods.features import Gradients, unit_differences
from harness.methods.gradients import gradient_pass, response_gradients
from harness.methods.projection import Sketch
from harness.models.chat import encode
from harness.models.embeddings import embed_responses
from harness.models.load import load_policy
from harness.models.sampling import Sampling, sample
from harness.world.base_model import SftSettings, train_base_model
from harness.world.facts import make_world
from harness.world.oracle import grade
from harness.world.prompts import training_prompts

PROMPTS, PER_PROMPT, PAIRS, NEAREST, ROUNDS = 60, 4, 300, 10, 3
RANK, SEED, DIM = 32, 0, 2048
"""What recipes have unless they say otherwise."""

NAME = "feature-agreement"


@dataclass(frozen=True)
class Setting:
    """One way to make gradient features."""

    dim: int = DIM
    rank: int = RANK
    seed: int = SEED
    sketch: Literal["count", "sign-fold"] = "count"
    response_only: bool = False
    layers: int | None = None


SETTINGS = {
    "the default: rank 32, dim 2048": Setting(),
    "dim 8192": Setting(dim=8192),
    "dim 512": Setting(dim=512),
    "dim 64": Setting(dim=64),
    "sign-fold": Setting(sketch="sign-fold"),
    "rank 8": Setting(rank=8),
    "another seed of the adapter": Setting(seed=1),
    "response tokens only": Setting(response_only=True),
    "last layer of two": Setting(layers=1),
}


@dataclass(frozen=True, eq=False)
class Task:
    """The base model, its responses as token rows, and pairs of them."""

    base: Path
    rows: Sequence[Encoded]
    pairs: Candidates


def make_task(folder: Path) -> Task:
    """Train the base model, sample responses, score them and draw pairs whose scores differ."""
    world = make_world(0)
    train_base_model(world, folder, SftSettings())
    policy = load_policy(folder)
    prompts = {prompt.id: prompt for prompt in training_prompts(world, PROMPTS, seed=0)}
    responses = sample(policy, list(prompts.values()), Sampling(PER_PROMPT, 1.0, 48, 0, "pool"))
    rows = [encode(policy.tokenizer, prompts[r.prompt_id].text, r.text, r.finished) for r in responses]
    scores = [grade(world, prompts[r.prompt_id], r.text).score for r in responses]
    return Task(folder, rows, _drawn(prompts, responses, scores))


def _drawn(prompts: dict[str, Prompt], responses: Sequence[Response], scores: Sequence[float]) -> Candidates:
    place = {name: index for index, name in enumerate(prompts)}
    texts = [response.text for response in responses]
    pool = make_candidates([place[response.prompt_id] for response in responses], texts, scores)
    at = np.sort(np.random.default_rng(0).permutation(len(pool))[:PAIRS])
    return Candidates(pool.prompt[at], pool.chosen[at], pool.rejected[at], pool.gap[at], pool.prompt_count)


def exact_gradients(task: Task) -> Matrix:
    """[n, all] the gradients themselves, by plain autograd, one response at a time, without a sketch."""
    policy = load_policy(task.base)
    model = add_feature_adapter(policy.model, RANK, SEED)
    weights = [weight for name, weight in model.named_parameters() if "lora_B" in name]
    found = []
    for row in task.rows:
        batch = pad([row], policy.tokenizer.pad_token_id)
        logprob = response_logprobs(model(input_ids=batch.input_ids).logits, batch).sum()
        gradients = torch.autograd.grad(logprob, weights)
        found.append(torch.cat([gradient.flatten() for gradient in gradients]).numpy())
    return np.stack(found)


def bank_gradients(task: Task, setting: Setting) -> Gradients:
    """[n, dim] what the gradient bank of a setting holds, in fp16 as on disk."""
    policy = load_policy(task.base)
    model = add_feature_adapter(policy.model, setting.rank, setting.seed)
    if setting.layers is not None:
        keep_last_layers(model, setting.layers)
    sketch = Sketch(setting.dim, setting.seed, setting.sketch)
    taken = gradient_pass(model, sketch, policy.tokenizer.pad_token_id, setting.response_only)
    return response_gradients(taken, task.rows).gradients.astype(np.float16)


def hidden_states(task: Task) -> Gradients:
    """[n, hidden] the mean hidden state over each response."""
    return embed_responses(load_policy(task.base), task.rows)


def cosines(rows: Gradients, pairs: Candidates) -> Matrix:
    """[P, P] cosines between pair features."""
    features = unit_differences(rows, pairs)
    return features @ features.T


def correlation(found: Matrix, exact: Matrix) -> float:
    """Of the cosines of all pairs of different pairs."""
    above = np.triu_indices(len(exact), k=1)
    return float(np.corrcoef(found[above], exact[above])[0, 1])


def recall(found: Matrix, exact: Matrix, nearest: int = NEAREST) -> float:
    """The share of each pair's `nearest` neighbours by the exact cosine that are so by the other, too."""

    def neighbours(table: Matrix) -> npt.NDArray[np.int64]:
        others = np.where(np.eye(len(table), dtype=bool), -np.inf, table)
        return np.argsort(-others, axis=1, kind="stable")[:, :nearest].astype(np.int64)

    shared = [len(set(a) & set(b)) for a, b in zip(neighbours(found), neighbours(exact), strict=True)]
    return float(np.mean(shared)) / nearest


def measure() -> list[Figure]:
    """Agreement of each feature with the exact one, and its processor time against the default's."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        task = make_task(Path(folder))
        makers: dict[str, Callable[[], Gradients]] = {
            case: lambda setting=setting: bank_gradients(task, setting)  # type: ignore[misc]
            for case, setting in SETTINGS.items()
        }
        makers["hidden states"] = lambda: hidden_states(task)
        exact = cosines(exact_gradients(task), task.pairs)
        seconds: dict[str, list[float]] = {case: [] for case in makers}
        rows: dict[str, Gradients] = {}
        for _ in range(ROUNDS):
            for case, make in makers.items():
                start = time.process_time()
                rows[case] = make()
                seconds[case].append(time.process_time() - start)
    usual = median(seconds[next(iter(SETTINGS))])
    figures = []
    for case, found in rows.items():
        table = cosines(found, task.pairs)
        figures += [
            _figure(f"{case}: correlation of pair cosines", correlation(table, exact)),
            _figure(f"{case}: recall@{NEAREST}", recall(table, exact)),
            _figure(f"{case}: processor time, default = 1", median(seconds[case]) / usual),
        ]
    return figures


def _figure(case: str, value: float) -> Figure:
    return Figure(NAME, case, value, "", "-", None, device(), f"python -m benchmarks {NAME}")


BENCHMARKS = (Benchmark(NAME, "cheaper features of pairs against exact gradients", measure),)
