"""The reference's log-probabilities of the rows that are trained on: looked up, or computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data.tokens import Encoded
from harness.models.load import Policy
from harness.models.logprobs import response_token_logprobs
from harness.training.scores import ReferenceScores

Known: TypeAlias = Mapping[Encoded, float | NDArray[np.float32]]
"""Log-probabilities of rows under the reference, in nats: of a whole response, or of each of its tokens."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What is known of the reference, by row: the sums, and the single tokens where the loss looks at them.

    `source` says where the sums came from; `computed` are the rows that were run for either. Without sums, as
    for losses that need no reference, every sum is 0.
    """

    sums: Mapping[Encoded, float]
    tokens: Mapping[Encoded, Tensor] | None
    source: Literal["known", "computed", "none"]
    computed: Sequence[Encoded]

    def of(self, rows: Sequence[Encoded], device: torch.device) -> ReferenceScores:
        """The reference's side of some rows."""
        sums = torch.tensor([self.sums.get(row, 0.0) for row in rows], device=device)
        if self.tokens is None:
            return ReferenceScores(sums)
        return ReferenceScores(sums, torch.cat([self.tokens[row] for row in rows]).to(device))


NO_REFERENCE = Reference({}, None, "none", ())


def make_reference(policy: Policy, rows: Sequence[Encoded], known: Known, needs: frozenset[str]) -> Reference:
    """What a loss with these needs must know of the reference, which is the policy before training.

    Args:
        policy: before training.
        rows: each once.
        known: what needs no computing.
        needs: of the loss. "reference": sums; "common": every token.
    """
    if not needs & {"reference", "common"}:
        return NO_REFERENCE
    single = "common" in needs
    missing = [row for row in rows if row not in known or (single and isinstance(known[row], float))]
    computed = dict(zip(missing, response_token_logprobs(policy, missing), strict=True))
    found = {row: computed[row] if row in computed else known[row] for row in rows}
    sums = {row: float(np.sum(values)) for row, values in found.items()}
    tokens = {row: torch.tensor(values) for row, values in found.items()} if single else None
    return Reference(sums, tokens, "computed" if missing else "known", missing)
