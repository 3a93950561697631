"""How a gradient bank lies on disk, and what is read of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.methods.candidates import Candidates
from harness.methods.clustering import Matrix
from harness.methods.features import GradientBank, PairBank, pair_features, stored_pair_features
from harness.methods.losses import coefficients
from harness.methods.losses.pairs import pairs_of_responses
from harness.stages.losses import loss_of
from harness.store.formats import LENGTHS, LOGPROBS, RESULT, read_json, read_matrix

GRADIENTS = "gradients.npy"
NORMS = "norms.npy"
REFERENCE = "reference.npy"
MOMENTUM = "momentum.npy"
SIZES = "sizes.npy"


def read_bank(folder: Path) -> GradientBank:
    """The bank of a `gradients` artifact whose preconditioning is not `exact`; the arrays are memory maps."""
    reference, momentum = (
        read_matrix(folder / name) if (folder / name).is_file() else None for name in (REFERENCE, MOMENTUM)
    )
    return GradientBank(
        gradients=read_matrix(folder / GRADIENTS),
        logprobs=read_matrix(folder / LOGPROBS),
        lengths=read_matrix(folder / LENGTHS),
        norms=read_matrix(folder / NORMS),
        reference=reference,
        momentum=momentum,
    )


def read_features(folder: Path, candidates: Candidates, loss: Mapping[str, Any] | None = None) -> Matrix:
    """The unit descent direction of each candidate [P, dim], however a `gradients` artifact was made.

    Args:
        folder: of the artifact.
        candidates: the pairs.
        loss: the table of the loss that they will be trained with; none: one whose gradient is along that
            of the margin. `exact` gradients have been taken of the recipe's loss already.
    """
    if read_json(folder / RESULT)["preconditioning"] == "exact":
        pairs = PairBank(read_matrix(folder / GRADIENTS), read_matrix(folder / SIZES))
        return stored_pair_features(pairs, candidates)
    bank = read_bank(folder)
    return pair_features(bank, candidates, _coefficients(bank, candidates, loss) if loss else None)


def _coefficients(bank: GradientBank, candidates: Candidates, loss: Mapping[str, Any]) -> Matrix:
    """[P, 2] derivatives of a loss in the pair's log-probabilities, where the gradients were taken."""
    reference = bank.logprobs if bank.reference is None else bank.reference
    known = (torch.tensor(np.asarray(values)) for values in (bank.logprobs, reference, bank.lengths))
    sides = (torch.tensor(side) for side in (candidates.chosen, candidates.rejected))
    found: Matrix = coefficients(loss_of(loss).value, pairs_of_responses(*known, *sides)).numpy()
    return found
