"""A step on all pairs of a prompt from its unique responses, against one on two rows for each pair."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.commands import device
from benchmarks.figure import Benchmark, Figure, at_least, at_most
from benchmarks.memory import peak_allocated
from benchmarks.plain_pairs import RowPair, pair_by_pair_loss, prompt_pairs, scored
from benchmarks.shapes import TINY, Shape, random_model
from benchmarks.timing import interleaved
from harness.data.tokens import Encoded, pad
from harness.training.exactness import TOLERANCES, candidate_prefixes, exact_prefix
from harness.training.examples import TokenPair
from harness.training.grouped import Prefix, PromptGroup, group_pairs
from harness.training.prefix import response_scores
from harness.training.scores import ReferenceScores, pair_logprobs

STEP, MEMORY = "grouped-step", "grouped-memory"
RANK, B_STD, BETA = 8, 0.02, 0.1


@dataclass(frozen=True)
class Case:
    """All `pairs` pairs of a prompt with so many responses, and how many times quicker they must be."""

    prompt: int
    responses: int
    pairs: int
    bound: float

    def __str__(self) -> str:
        return f"P = {self.prompt}, R = {TINY.response}, K = {self.responses}, d = {self.pairs}"


CASES = (
    Case(64, 4, 4, 2.2),
    Case(64, 8, 8, 2.5),
    Case(64, 8, 16, 5.0),
    Case(256, 4, 4, 3.5),
    Case(256, 8, 8, 4.5),
    Case(256, 8, 16, 9.0),
)


@dataclass(frozen=True, eq=False)
class Work:
    """Pairs of one prompt and the reference's log-probabilities of their rows."""

    model: Any
    pairs: Sequence[RowPair]
    group: PromptGroup
    reference: Mapping[Encoded, float]

    def plain(self) -> Tensor:
        """The loss, pair by pair."""
        return pair_by_pair_loss(self.model, self.pairs, self.reference, BETA)

    def grouped(self, prefix: Prefix) -> Tensor:
        """The same loss as the trainer computes it, with the prompt shared in one of its ways."""
        return dpo_of_group(self.model, self.group, self.reference, prefix, BETA)

    def prefix(self) -> Prefix:
        """The way that the trainer would take."""
        tried = candidate_prefixes([self.group], checkpointing=False)
        return exact_prefix(self.model, [self.group], 0, TOLERANCES["fp32"], tried)

    def step(self, loss: Callable[[], Tensor]) -> None:
        """Forward and backward; gradients are dropped."""
        torch.autograd.backward(loss())
        self.model.zero_grad(set_to_none=True)


def dpo_of_group(
    model: Any, group: PromptGroup, reference: Mapping[Encoded, float], prefix: Prefix, beta: float
) -> Tensor:
    """The mean DPO loss of a prompt's pairs."""
    sums = torch.tensor([reference[row] for row in group.rows], device=model.device)
    chosen, rejected = (torch.tensor(side, device=model.device) for side in (group.chosen, group.rejected))
    scores = response_scores(model, [group], prefix, pad_id=0)
    margins = pair_logprobs(scores, ReferenceScores(sums), chosen, rejected).margin
    return -F.logsigmoid(beta * margins).mean()


def make_work(model: Any, shape: Shape, responses: int, pairs: int) -> Work:
    """The reference is the model itself."""
    rows = prompt_pairs(shape, responses, pairs)
    token_pairs = [TokenPair(*pair, str(shape.prompt), 0, 1) for pair in rows]
    (group,) = group_pairs(token_pairs)
    with torch.no_grad():
        values = scored(model, pad(group.rows, pad_id=0).to(model.device)).tolist()
    return Work(model, rows, group, dict(zip(group.rows, values, strict=True)))


def measure_step() -> list[Figure]:
    """CPU seconds of forward and backward, for each way of sharing the prompt; one is the trainer's."""
    torch.set_num_threads(1)
    return [figure for case, work in _works() for figure in _quicker(case, work)]


def measure_memory() -> list[Figure]:
    """The peak of allocated bytes of the trainer's step over that of the plain one."""
    torch.set_num_threads(1)
    figures = []
    for case, work in _works():
        plain, ours = (
            peak_allocated(partial(work.step, loss))
            for loss in (work.plain, partial(work.grouped, work.prefix()))
        )
        figures.append(at_most(_figure(MEMORY, f"{case}: peak memory, pair by pair = 1", ours / plain), 1.0))
    return figures


def _works() -> Iterator[tuple[Case, Work]]:
    model = random_model(TINY, RANK, B_STD)
    for case in CASES:
        yield case, make_work(model, replace(TINY, prompt=case.prompt), case.responses, case.pairs)


def _quicker(case: Case, work: Work) -> Iterator[Figure]:
    variants: dict[str, Callable[[], object]] = {"plain": partial(work.step, work.plain)}
    variants |= {way: partial(work.step, partial(work.grouped, way)) for way in get_args(Prefix)}
    seconds, taken = interleaved(variants, rounds=9), work.prefix()
    for way in get_args(Prefix):
        text = f"{case}: times quicker by '{way}'"
        figure = _figure(
            STEP, f"{text}, the trainer's way" if way == taken else text, seconds["plain"] / seconds[way]
        )
        yield at_least(figure, case.bound if way == taken else None)


def _figure(name: str, case: str, value: float) -> Figure:
    return Figure(name, case, value, "", "-", None, device(), f"python -m benchmarks {name}")


BENCHMARKS = (
    Benchmark(
        STEP, "a step on all pairs of a prompt from its unique responses, against pair by pair", measure_step
    ),
    Benchmark(MEMORY, "the peak memory of such a step", measure_memory),
)
