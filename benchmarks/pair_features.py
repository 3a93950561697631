"""Features of all pairs of a prompt: one gradient of each response, against one backward for each pair."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

import torch
from torch import nn

from benchmarks import less
from benchmarks.commands import device
from benchmarks.figure import Benchmark, Figure, at_least
from benchmarks.shapes import TINY, random_model, random_rows
from benchmarks.timing import interleaved
from harness.data.tokens import Encoded, pad, response_logprobs
from harness.methods.candidates import make_candidates
from harness.methods.capture import captured
from harness.methods.clustering import Matrix
from harness.methods.features import pair_features
from harness.methods.gradients import GradientPass, gradient_pass, response_gradients
from harness.methods.projection import Sketch

NAME, RANK = "pair-features", 8
AT_LEAST = {4: 5.0, 8: 11.0, 16: 25.0}
"""Responses to a prompt -> how many times quicker the features of all its pairs must be."""

LESS_DIM, DIM = 8192, 2048
"""LESS's own number of dimensions, at which both are judged, and the one that recipes have."""

WARM_B = 0.02


def measure() -> list[Figure]:
    """For some numbers of responses: the whole way to the features, and the passes alone."""
    torch.set_num_threads(1)
    # B is not zero, so that both ways take the gradient of all factors.
    model = random_model(TINY, RANK, WARM_B)
    return [*_passes_alone(model), *_whole(model)]


def _whole(model: nn.Module) -> Iterator[Figure]:
    matrix = less.projection(sum(w.numel() for w in model.parameters() if w.requires_grad), LESS_DIM)
    taken = {dim: gradient_pass(model, Sketch(dim, seed=0), pad_id=0) for dim in (LESS_DIM, DIM)}
    for responses, bound in AT_LEAST.items():
        rows = _one_prompt(responses)
        seconds = interleaved(
            {
                "less": partial(less.pair_features, model, _pairs(rows), matrix),
                "same": partial(_features, taken[LESS_DIM], rows),
                "ours": partial(_features, taken[DIM], rows),
            }
        )
        case = f"K = {responses}, {len(_pairs(rows))} pairs"
        equal, usual = (seconds["less"] / seconds[name] for name in ("same", "ours"))
        yield _figure(f"{case}, both {LESS_DIM} numbers: times quicker", equal, bound)
        yield _figure(f"{case}, ours {DIM} numbers, LESS {LESS_DIM}: times quicker", usual, None)


def _passes_alone(model: nn.Module) -> Iterator[Figure]:
    taken = gradient_pass(model, Sketch(1, seed=0), pad_id=0)
    for responses in AT_LEAST:
        rows = _one_prompt(responses)
        seconds = interleaved(
            {
                "pairs": partial(_all_pair_gradients, model, _pairs(rows)),
                "bank": partial(_passes, taken, rows),
            }
        )
        times = seconds["pairs"] / seconds["bank"]
        yield _figure(f"K = {responses}: times quicker, passes alone", times, 0.9 * (responses - 1))


def _all_pair_gradients(model: nn.Module, pairs: Sequence[tuple[Encoded, Encoded]]) -> None:
    for _ in less.pair_gradients(model, pairs):
        pass


def _pairs(rows: Sequence[Encoded]) -> list[tuple[Encoded, Encoded]]:
    return list(combinations(rows, 2))


def _one_prompt(responses: int) -> list[Encoded]:
    rows = random_rows(replace(TINY, rows=responses))
    return [Encoded(rows[0].prompt, row.response) for row in rows]


def _features(taken: GradientPass, rows: Sequence[Encoded]) -> Matrix:
    """The features of all pairs of one prompt's responses, by linearity."""
    scores = [float(-at) for at in range(len(rows))]
    candidates = make_candidates([0] * len(rows), [str(row.response) for row in rows], scores)
    return pair_features(response_gradients(taken, rows, batch_size=len(rows)), candidates)


def _passes(taken: GradientPass, rows: Sequence[Encoded]) -> None:
    """One backward pass that makes every response's gradient, and drops it."""
    batch = pad(rows, pad_id=0)
    shape = (len(rows), batch.input_ids.shape[1])
    with captured(taken.factors, shape, lambda name, gradients: None):
        output = taken.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
        torch.autograd.backward(response_logprobs(output.logits, batch).sum())


def _figure(case: str, value: float, bound: float | None) -> Figure:
    figure = Figure(NAME, case, value, "", "-", None, device(), f"python -m benchmarks {NAME}")
    return at_least(figure, bound)


BENCHMARKS = (Benchmark(NAME, "features of all pairs, against a backward pass for each pair", measure),)
