"""How a gradient bank lies on disk, and what is read of it."""

from pathlib import Path

import numpy as np
import torch

from harness.methods.candidates import Candidates
from harness.methods.clustering import Matrix
from harness.methods.features import GradientBank, PairBank, pair_features, stored_pair_features
from harness.methods.losses import Loss, PairLogprobs, coefficients
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


def read_features(folder: Path, candidates: Candidates) -> Matrix:
    """The unit descent direction of each candidate [P, dim], however a `gradients` artifact was made."""
    about = read_json(folder / RESULT)
    match about["preconditioning"]:
        case "exact":
            pairs = PairBank(read_matrix(folder / GRADIENTS), read_matrix(folder / SIZES))
            return stored_pair_features(pairs, candidates)
        case "frozen":
            bank = read_bank(folder)
            loss = loss_of(about["loss"]).value
            return pair_features(bank, candidates, _coefficients(bank, candidates, loss))
        case _:
            return pair_features(read_bank(folder), candidates)


def _coefficients(bank: GradientBank, candidates: Candidates, loss: Loss) -> Matrix:
    """[P, 2] derivatives of a loss in the pair's log-probabilities, where the gradients were taken."""
    assert bank.reference is not None
    sides = (
        torch.tensor(np.asarray(values)[side])
        for values in (bank.logprobs, bank.reference, bank.lengths)
        for side in (candidates.chosen, candidates.rejected)
    )
    found: Matrix = coefficients(loss, PairLogprobs(*sides)).numpy()
    return found
