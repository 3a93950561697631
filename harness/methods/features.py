"""Features of pairs, formed from one gradient for each response."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.methods.adam import B1
from harness.methods.candidates import Candidates, Ints
from harness.methods.clustering import Matrix

# Below this share of the longer gradient, a difference of two gradients is mostly rounding.
SMALLEST_DIFFERENCE = 0.05

Gradients = npt.NDArray[np.float16] | Matrix
Lengths = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class GradientBank:
    """What is known of n responses; the arrays may be memory maps.

    `gradients` [n, dim] of the log-probability, sketched (fp16 on disk); `logprobs` [n] in nats and `lengths`
    [n] in tokens of the response; `norms` [n] of the gradients before the sketch. Two more where gradients
    were taken at a warmed-up adapter: `reference` [n], the base model's log-probabilities, and `momentum`
    [dim], the sketched and scaled first moment of its Adam (preconditioning `frozen`).
    """

    gradients: Gradients
    logprobs: Matrix
    lengths: Lengths
    norms: Matrix
    reference: Matrix | None = None
    momentum: Matrix | None = None


@dataclass(frozen=True, eq=False)
class PairBank:
    """`gradients` [Q, dim], sketched, of every ordered pair of responses to the same prompt.

    `sizes` [prompts] counts the responses of each prompt, Q = sum of K (K - 1); the order is that of
    `ordered_pairs`. Rows are descent directions; a pair without a direction has a zero row.
    """

    gradients: Gradients
    sizes: Ints


@dataclass(frozen=True, eq=False)
class PairRows:
    """Features [P, width] of candidates, of which only those asked for exist: `form` makes them."""

    candidates: Candidates
    form: Callable[[Candidates], Matrix]

    def __len__(self) -> int:
        return len(self.candidates)

    def __getitem__(self, at: Ints, /) -> Matrix:
        return self.form(self.candidates.take(at))


def pair_features(bank: GradientBank, candidates: Candidates, coefficients: Matrix | None = None) -> Matrix:
    """The direction in which training on each pair moves the adapter.

    For a loss l(s_w, s_l) of the two log-probabilities, grad l = (dl/ds_w) g_w + (dl/ds_l) g_l. A loss of the
    margin alone (DPO, hinge, ...) has dl/ds_w = -dl/ds_l = -c with c > 0, so its descent direction is
    c (g_w - g_l), and the unit row depends neither on the loss nor on beta nor on the log-probabilities. Many
    others do so at the reference.

    Args:
        bank: of all responses.
        candidates: the pairs; memory is two rows for each of them, whatever the bank's size.
        coefficients: [P, 2] (dl/ds_w, dl/ds_l) of a loss; none: a loss of the margin alone. A bank with
            momentum needs them, since with it the length of a gradient matters:
            b1 m + (1 - b1) grad l stands in for grad l (`methods.adam`).

    Returns:
        [P, dim] rows of unit length along the descent direction. Zero where there is none: where a response
        has no tokens, and so no gradient, or where the two terms cancel to below 5 % of the longer one (twins
        and duplicates), so that what is left would be noise. Such pairs belong to no cluster, and count as
        near to nothing.
    """
    if bank.momentum is not None and coefficients is None:
        raise ValueError("a bank with momentum needs the coefficients of a loss")
    weights = np.array([[-1, 1]], np.float32) if coefficients is None else coefficients
    rows, clear = _combined(bank.gradients, candidates, weights)
    if bank.momentum is not None:
        rows = B1 * bank.momentum + (1 - B1) * rows
    rows *= np.where(clear, -1, 0).astype(np.float32)[:, None]
    return unit_rows(rows)


def unit_differences(rows: Gradients, candidates: Candidates) -> Matrix:
    """[P, width] unit rows from each pair's rejected to its chosen response, for any features [n, width].

    Zero where there is no direction, as in `pair_features`.
    """
    found, clear = _combined(rows, candidates, np.array([[1, -1]], np.float32))
    found *= clear[:, None]
    return unit_rows(found)


def stored_pair_features(bank: PairBank, candidates: Candidates) -> Matrix:
    """The unit rows of candidates whose gradients were stored pair by pair: [P, dim], zero as stored."""
    at = pair_positions(bank.sizes, candidates.chosen, candidates.rejected)
    return unit_rows(np.asarray(bank.gradients[at], np.float32))


def unit_rows(rows: Matrix) -> Matrix:
    """Scale rows [n, width] to unit length, in place; zero rows stay."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows *= np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    return rows


def ordered_pairs(size: int) -> tuple[Ints, Ints]:
    """(first, second) of every ordered pair of `size` things, by first, then second."""
    first, second = np.nonzero(~np.eye(size, dtype=np.bool_))
    return first.astype(np.int64), second.astype(np.int64)


def pair_positions(sizes: Ints, first: Ints, second: Ints) -> Ints:
    """Where ordered pairs lie in a list that goes through the prompts and has `ordered_pairs` of each.

    Args:
        sizes: [prompts] responses of each, which follow each other in one flat list.
        first: [P] positions in that flat list.
        second: [P] positions of the same prompts.
    """
    starts = np.cumsum(sizes) - sizes
    prompt = np.searchsorted(starts + sizes, first, side="right")
    before = np.cumsum(sizes * (sizes - 1)) - sizes * (sizes - 1)
    i, j = first - starts[prompt], second - starts[prompt]
    places: Ints = before[prompt] + i * (sizes[prompt] - 1) + j - (j > i)
    return places


def _combined(
    features: Gradients, candidates: Candidates, weights: Matrix
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """([P, width] sums of the weighted rows of chosen and rejected responses; [P] True where they mean much).

    They do where neither row is zero and the sum is not noise. Each response is read, and widened, once.
    """
    used, at = np.unique((candidates.chosen, candidates.rejected), return_inverse=True)
    known = np.asarray(features[used], np.float32)
    rows, other = (known[side] for side in at.reshape(2, -1))
    norms = np.stack([np.linalg.norm(side, axis=1) for side in (rows, other)], axis=1)
    rows *= weights[:, :1]
    other *= weights[:, 1:]
    rows += other
    longer = (norms * np.abs(weights)).max(axis=1)
    clear = (np.linalg.norm(rows, axis=1) > SMALLEST_DIFFERENCE * longer) & (norms.min(axis=1) > 0)
    return rows, clear
