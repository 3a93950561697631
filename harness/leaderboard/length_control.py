"""Win rates at equal length, for any set of prompts: one logistic model pooled over all methods of a board.

    logit P(method m wins on prompt p) = b[m] + s tanh(d[m, p] / sd) + e[p]

d is the length of the method's output less that of the reference, in characters, and sd the median over
methods of its standard deviation; the form is that of AlpacaEval's own length control (Dubois et al. 2024,
arXiv 2404.04475, section 3). s is shared by all methods, because one that is always shorter has no data at
equal length. e[p], the ease of a prompt, has the ridge penalty e^2 / 2, in place of the difficulties that
AlpacaEval knows for its own 805 prompts. The length-controlled win rate of a method is its mean prediction
at d = 0. Outcomes are means of judgments, from 0 to 1, so this is a quasi-likelihood (Papke and Wooldridge
1996).

On the 37 models in the published annotations of AlpacaEval 2 it is 0.64 points from the published
length-controlled rates in the mean (1.9 at most), and Spearman's rho with them is 0.992; raw win rates are
4.5 points away, rho 0.981. AlpacaEval divides by each model's own sd, but then a method that varies its
length is corrected less, and one that only writes more can come out first; with one sd for all it did on no
simulated board. It takes out what the *length* does to the judge and nothing else: a text that flatters or
instructs the judge keeps its rate, and so does some of what a judge gives whose taste for length has no end
(log odds linear in the log of length, and a null model seven times too long). The simulations are in
tests/leaderboard/test_length_control.py.

The rate of a method depends on the other methods in the fit. Its interval is that of `statistics.estimate` on
pseudo-values: rate + N x (derivative of the rate by the weight of a cell), a cell being one prompt in one
replicate of *all* methods and N the number of cells (the infinitesimal jackknife, Jaeckel 1972). So it holds
the noise of slope and eases, takes replicates for drawn as all other intervals here do, needs no seed, and
differences between methods are paired. It does not hold the doubt whether the model is right, nor that in sd.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]

PENALTY = 1.0  # on the ease of a prompt; not tuned
_FAINT = 1e-4  # on intercepts and slope, so that a method that never wins has a finite intercept
_STEPS, _CLOSE = 200, 1e-10


@dataclass(frozen=True)
class LengthControlled:
    """The shared slope, and pseudo-values [methods, replicates, prompts] in 0..1 whose means are the rates.

    A pseudo-value is NaN where the method has no outcome.
    """

    slope: float
    pseudo_values: Array


def control_length(outcomes: Array, differences: Array) -> LengthControlled | None:
    """Fit the pooled model; None where there is only one method, or none whose difference in length varies.

    Args:
        outcomes: [methods, replicates, prompts], 0 (lost) to 1 (won); NaN where there is none. Each method
            has at least one outcome with a known difference.
        differences: of the same shape, length of the output - length of the reference; NaN where not known.
    """
    present = np.isfinite(outcomes) & np.isfinite(differences)
    spreads = [own[there].std() for own, there in zip(differences, present, strict=True)]
    varied = [spread for spread in spreads if spread > 0]
    if len(outcomes) < 2 or not varied:
        return None
    lengths = np.tanh(np.where(present, differences, 0.0) / np.median(varied))
    cells = _Cells(np.where(present, outcomes, 0.0), lengths, present.astype(float))
    fit = _fitted(cells)
    return LengthControlled(float(fit.shared[-1]), _pseudo_values(cells, fit))


@dataclass(frozen=True)
class _Cells:
    """[methods, replicates, prompts]; where there is no outcome `present` is 0, elsewhere 1."""

    outcomes: Array
    lengths: Array
    present: Array


@dataclass(frozen=True)
class _Parameters:
    """`shared` [K]: an intercept for each method, then the slope; `eases` [prompts]."""

    shared: Array
    eases: Array

    def chances(self, lengths: Array | float) -> Array:
        """Predicted outcomes [methods, replicates, prompts] at the scaled `lengths`."""
        chances: Array = expit(self.shared[:-1, None, None] + self.shared[-1] * lengths + self.eases)
        return chances

    def less(self, step: "_Parameters", size: float) -> "_Parameters":
        return _Parameters(self.shared - size * step.shared, self.eases - size * step.eases)


@dataclass(frozen=True)
class _Curvature:
    """The Hessian of the penalised loss: an arrow, as its block of eases is diagonal."""

    shared: Array  # [K, K]
    border: Array  # [K, prompts]
    eases: Array  # [prompts]

    def solve(self, shared: Array, eases: Array) -> tuple[Array, Array]:
        """H x = (shared [K, n], eases [prompts, n]), by the Schur complement of the diagonal block."""
        scaled = self.border / self.eases
        top = np.linalg.solve(self.shared - scaled @ self.border.T, shared - scaled @ eases)
        bottom: Array = (eases - self.border.T @ top) / self.eases[:, None]
        return np.asarray(top, dtype=np.float64), bottom


def _fitted(cells: _Cells) -> _Parameters:
    """Newton's method from zero, with each step halved until the loss does not grow."""
    methods, _, prompts = cells.outcomes.shape
    at = _Parameters(np.zeros(methods + 1), np.zeros(prompts))
    for _ in range(_STEPS):
        shared, eases = _slopes(cells, at)
        top, bottom = _curvature(cells, at).solve(
            (shared.sum(axis=(1, 2)) + _FAINT * at.shared)[:, None],
            (eases.sum(axis=0) + PENALTY * at.eases)[:, None],
        )
        step, size = _Parameters(top[:, 0], bottom[:, 0]), 1.0
        while size > _CLOSE and _loss(cells, at.less(step, size)) > _loss(cells, at):
            size /= 2
        at = at.less(step, size)
        if max(np.abs(step.shared).max(), np.abs(step.eases).max()) * size < _CLOSE:
            break
    return at


def _loss(cells: _Cells, at: _Parameters) -> float:
    odds = at.shared[:-1, None, None] + at.shared[-1] * cells.lengths + at.eases
    losses = cells.present * (np.logaddexp(0, odds) - cells.outcomes * odds)
    return float(losses.sum() + _FAINT * at.shared @ at.shared / 2 + PENALTY * at.eases @ at.eases / 2)


def _slopes(cells: _Cells, at: _Parameters) -> tuple[Array, Array]:
    """Each cell's part in the gradient: by intercepts and slope [K, R, P], by its prompt's ease [R, P]."""
    excess = cells.present * (at.chances(cells.lengths) - cells.outcomes)
    slope = (excess * cells.lengths).sum(axis=0)
    return np.concatenate([excess, slope[None]]), excess.sum(axis=0)


def _curvature(cells: _Cells, at: _Parameters) -> _Curvature:
    chances = at.chances(cells.lengths)
    weights = cells.present * chances * (1 - chances)
    leaning = weights * cells.lengths
    shared = np.diag(np.append(weights.sum(axis=(1, 2)), (leaning * cells.lengths).sum()) + _FAINT)
    shared[-1, :-1] = shared[:-1, -1] = leaning.sum(axis=(1, 2))
    border = np.concatenate([weights.sum(axis=1), leaning.sum(axis=(0, 1))[None]])
    return _Curvature(shared, border, weights.sum(axis=(0, 1)) + PENALTY)


def _pseudo_values(cells: _Cells, fit: _Parameters) -> Array:
    """The rate + N x (its derivative by the weight of a cell), for cells of weight 1 each.

    By the implicit function theorem the parameters move by -H^-1 (a cell's part in the gradient). A prompt's
    penalty belongs to it, and is shared evenly by its replicates: a prompt drawn twice has two eases.
    """
    level = np.broadcast_to(fit.chances(0.0), cells.outcomes.shape)
    count = cells.present.sum(axis=(1, 2))
    rates = (cells.present * level).sum(axis=(1, 2)) / count
    by_ease = (cells.present * level * (1 - level)).sum(axis=1) / count[:, None]
    by_shared = np.append(np.diag(by_ease.sum(axis=1)), np.zeros((1, len(count))), axis=0)
    shared, eases = _curvature(cells, fit).solve(by_shared, by_ease.T)
    gradient, by_prompt = _slopes(cells, fit)
    judged = cells.present.any(axis=0)
    by_prompt = by_prompt + judged * PENALTY * fit.eases / np.maximum(judged.sum(axis=0), 1)
    moved = np.einsum("km,krp->mrp", shared, gradient) + eases.T[:, None] * by_prompt
    values = np.where(cells.present > 0, level - count[:, None, None] * moved, np.nan)
    centred: Array = values - np.nanmean(values, axis=(1, 2), keepdims=True) + rates[:, None, None]
    return centred
