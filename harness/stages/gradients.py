"""The gradient bank: a sketched LoRA gradient and a log-probability for each response."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.rows import Response
from harness.data.tokens import Encoded
from harness.errors import HarnessError
from harness.methods.adam import Moments, frozen_scales
from harness.methods.adam_pairs import Objective, adam_pair_gradients
from harness.methods.candidates import Ints
from harness.methods.clustering import Matrix
from harness.methods.feature_adapter import (
    add_feature_adapter,
    keep_last_layers,
    load_feature_adapter,
    passed_parameters,
)
from harness.methods.gradients import GradientPass, gradient_pass, response_gradients, response_lengths
from harness.methods.projection import Sketch
from harness.models.batching import batches, pads
from harness.models.load import Policy
from harness.stages.bank import GRADIENTS, MOMENTUM, NORMS, REFERENCE, SIZES
from harness.stages.job import Job
from harness.stages.losses import loss_of
from harness.stages.shards import join, share, take_first
from harness.stages.shared import encoded_responses, policy_of, read_responses, size_of
from harness.store.columns import Columns, Shape
from harness.store.formats import (
    LENGTHS,
    LOGPROBS,
    RESPONSES,
    RESULT,
    read_json,
    read_matrix,
    stream_rows,
    write_json,
    write_matrix,
)
from harness.training.moments import read_moments

PIECE = 256
"""Responses written at a time, to whole prompts: what an interrupted pass loses at most."""

Parts = dict[str, tuple[int, NDArray[Any]]]


@dataclass(frozen=True, eq=False)
class _Pool:
    """The responses in order, their token rows, how many follow each other for one prompt, their
    log-probabilities under the base model where the task is given them, and the pieces that they are done in:
    (first, one past the last) prompt of each.
    """

    responses: Sequence[Response]
    rows: Sequence[Encoded]
    sizes: Ints
    reference: Matrix | None
    pieces: Sequence[tuple[int, int]]

    @property
    def ends(self) -> Ints:
        """[prompts + 1] where each prompt's responses begin, and the end of the last one's."""
        return _ends(self.sizes)

    @property
    def pair_ends(self) -> Ints:
        """[prompts + 1] the same for the ordered pairs."""
        return _ends(self.sizes * (self.sizes - 1))

    def check(self, at: int, *values: NDArray[Any]) -> None:
        """Refuse what is not finite.

        Args:
            at: position of the response that the values are of.
            values: its numbers.

        Raises:
            HarnessError: names the response.
        """
        if not all(np.isfinite(each).all() for each in values):
            response = self.responses[at]
            raise HarnessError(
                f"gradients: the gradient of response {response.index} to prompt '{response.prompt_id}' is "
                "not finite, or too large for fp16. Check the model's weights there, or leave the prompt out."
            )


def run(job: Job) -> None:
    """One pass over the responses, or its shards put together."""
    if job.parts:
        _join(job)
    else:
        make(job)


def _join(job: Job) -> None:
    by_row = (GRADIENTS, LOGPROBS, NORMS, SIZES, REFERENCE, LENGTHS)
    there = {path.name for path in job.parts[0].iterdir()}
    join(job, *(name for name in by_row if name in there))
    if MOMENTUM in there:
        take_first(job, MOMENTUM)
    results = [read_json(part / RESULT) for part in job.parts]
    write_json(job.out / RESULT, {**results[0], "responses": sum(each["responses"] for each in results)})


def make(job: Job, batch_size: int = 32, piece: int = PIECE) -> None:
    """One pass over the responses, in pieces that survive if the process does not.

    Neither size changes what is written, but for rounding: a gradient by about 1e-6 of its length before it
    is rounded to fp16, which is 5e-4 of each number.
    """
    policy = policy_of(job)
    pool, parameters = _pool(job, policy, piece), size_of(policy)
    rows, known = pool.rows, pool.reference
    preconditioning = job.params["preconditioning"]
    moments = read_moments(job.inputs["warmup"]) if preconditioning != "none" else None
    taken = _pass(job, policy, moments if preconditioning == "frozen" else None)
    if preconditioning == "exact":
        assert moments is not None
        objective = Objective(loss_of(job.params["loss"]).value, moments)
        _fill(job, pool, _pair_shapes(pool, taken.dim), partial(_pair_part, taken, objective, pool))
        write_matrix(job.out / SIZES, pool.sizes)
    else:
        shapes = _response_shapes(pool, taken.dim)
        _fill(job, pool, shapes, partial(_response_part, taken, batch_size, pool))
    if preconditioning == "frozen":
        assert moments is not None
        write_matrix(job.out / MOMENTUM, taken.sketch(moments.first))
    if known is not None:
        write_matrix(job.out / REFERENCE, known)
    write_matrix(job.out / LENGTHS, response_lengths(rows))
    about = {key: job.params.get(key) for key in ("at", "preconditioning")}
    write_json(job.out / RESULT, {**about, "responses": len(rows), "captured": taken.captured})
    job.meter.count(padding=_padding(pool, None if preconditioning == "exact" else batch_size, taken))
    _count(job, taken, rows, parameters)


def _pool(job: Job, policy: Policy, piece: int) -> _Pool:
    """The responses that the job is to do: the pieces of its share."""
    folder, known = job.inputs["responses"], job.inputs.get("reference")
    groups = groupby(stream_rows(folder / RESPONSES, Response), key=lambda response: response.prompt_id)
    sizes = np.array([sum(1 for _ in group) for _, group in groups], np.int64)
    ends = _ends(sizes)
    pieces = share(job, _pieces(ends, piece)) or [(0, 0)]
    first, last = pieces[0][0], pieces[-1][1]
    part = slice(int(ends[first]), int(ends[last]))
    return _Pool(
        responses=read_responses(folder, part),
        rows=encoded_responses(job, policy.tokenizer, part),
        sizes=sizes[first:last],
        reference=read_matrix(known / LOGPROBS)[part] if known else None,
        pieces=[(start - first, stop - first) for start, stop in pieces],
    )


def _pass(job: Job, policy: Policy, frozen: Moments | None) -> GradientPass:
    """The model with its feature adapter, and how gradients are taken."""
    params = job.params
    if "warmup" in job.inputs:
        model = load_feature_adapter(policy.model, job.inputs["warmup"])
    else:
        model = add_feature_adapter(policy.model, params["rank"], params["seed"])
    if params["layers"] is not None:
        keep_last_layers(model, params["layers"])
    return gradient_pass(
        model,
        Sketch(params["dim"], params["seed"], params["sketch"]),
        policy.tokenizer.pad_token_id,
        response_only=params["tokens"] == "response",
        scales=frozen_scales(frozen) if frozen else None,
    )


def _fill(
    job: Job,
    pool: _Pool,
    shapes: dict[str, tuple[Shape, Any]],
    part: Callable[[int, int], Parts],
) -> None:
    """Write what is missing, piece by piece; `part` makes that of prompts first .. last - 1.

    A mark holds the seconds that its piece took, so that an artifact states the cost of all of them.
    """
    columns = Columns(job.scratch(), shapes)
    for first, last in pool.pieces:
        name = f"{first}-{last}"
        seconds = columns.mark(name)
        if seconds is None:
            start = job.meter.seconds
            parts = part(first, last)
            columns.write(
                name, parts, [now - then for now, then in zip(job.meter.seconds, start, strict=True)]
            )
        else:
            job.meter.carry(*seconds)
        job.progress(int(pool.ends[last]), len(pool.rows))


def _ends(counts: Ints) -> Ints:
    """[n + 1] where each run of so many begins, and the end of the last one."""
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)


def _pieces(ends: Ints, piece: int) -> list[tuple[int, int]]:
    """(first, one past the last) prompt of runs that hold about `piece` responses each; at least one run."""
    group = (ends[1:] - 1) // piece
    return list(pairwise([0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(group)]))


def _response_shapes(pool: _Pool, dim: int) -> dict[str, tuple[Shape, Any]]:
    count = len(pool.rows)
    return {
        GRADIENTS: ((count, dim), np.float16),
        LOGPROBS: ((count,), np.float32),
        NORMS: ((count,), np.float32),
    }


def _response_part(taken: GradientPass, batch_size: int, pool: _Pool, first: int, last: int) -> Parts:
    """The gradients of the responses to some prompts."""
    start, stop = pool.ends[[first, last]].tolist()
    bank = response_gradients(taken, pool.rows[start:stop], batch_size)
    gradients = _half(bank.gradients)
    for at in range(stop - start):
        pool.check(start + at, gradients[at], bank.logprobs[at], bank.norms[at])
    return {
        GRADIENTS: (start, gradients),
        LOGPROBS: (start, np.asarray(bank.logprobs)),
        NORMS: (start, np.asarray(bank.norms)),
    }


def _pair_shapes(pool: _Pool, dim: int) -> dict[str, tuple[Shape, Any]]:
    pairs = int(pool.pair_ends[-1])
    return {GRADIENTS: ((pairs, dim), np.float16), LOGPROBS: ((len(pool.rows),), np.float32)}


def _pair_part(taken: GradientPass, objective: Objective, pool: _Pool, first: int, last: int) -> Parts:
    """The gradients of the ordered pairs of responses to some prompts."""
    assert pool.reference is not None
    gradients: list[NDArray[np.float16]] = [np.empty((0, taken.dim), np.float16)]
    logprobs: list[Matrix] = [np.empty(0, np.float32)]
    for start, stop in pairwise(pool.ends[first : last + 1].tolist()):
        pairs, values = adam_pair_gradients(
            taken, pool.rows[start:stop], pool.reference[start:stop], objective
        )
        gradients.append(_half(pairs))
        logprobs.append(values)
        others = max(stop - start - 1, 1)
        for at in range(stop - start):
            pool.check(start + at, gradients[-1][at * others : (at + 1) * others], values[at])
    return {
        GRADIENTS: (int(pool.pair_ends[first]), np.concatenate(gradients)),
        LOGPROBS: (int(pool.ends[first]), np.concatenate(logprobs)),
    }


def _half(rows: NDArray[Any]) -> NDArray[np.float16]:
    """In fp16; what does not fit becomes infinite, and is refused."""
    with np.errstate(over="ignore"):
        return rows.astype(np.float16)


def _padding(pool: _Pool, batch_size: int | None, taken: GradientPass) -> int:
    """Pads of the whole pass; without a batch size, each prompt's responses are a batch."""
    ends = pool.ends.tolist()
    if batch_size is None:
        groups = [list(range(*each)) for each in pairwise(ends)]
    else:
        groups = []
        for first, last in pool.pieces:
            start, lengths = ends[first], [len(row) for row in pool.rows[ends[first] : ends[last]]]
            groups += [[start + at for at in picked] for picked in batches(lengths, batch_size)]
    return sum(_pads([pool.rows[at] for at in group], taken.response_only) for group in groups)


def _pads(rows: Sequence[Encoded], response_only: bool) -> int:
    """Of one batch, which `response_only` runs in two parts that are padded by themselves."""
    if not response_only:
        return pads([len(row) for row in rows])
    return pads([len(row.prompt) - 1 for row in rows]) + pads([1 + len(row.response) for row in rows])


def _count(job: Job, taken: GradientPass, rows: Sequence[Encoded], parameters: int) -> None:
    """Meter the whole pass, whichever process did which part of it."""
    short = taken.response_only
    back = sum(len(row.response) + 1 if short else len(row) for row in rows)
    job.meter.count(forward=sum(len(row) for row in rows), parameters=parameters)
    job.meter.count(backward=back, parameters=passed_parameters(taken.model), trainable=taken.captured)
