"""What a training reads of the reference from the store; the rest it computes itself."""

from collections.abc import Set

from harness.recipe.losses import Loss, Need
from harness.recipe.model import Dtype, HfModel
from harness.recipe.schema import Recipe, Training


def scored_alike(dtype: Dtype, weights: str, precision: str) -> bool:
    """Whether log-probabilities that weights of a `dtype` gave are those that a training would compute.

    They were made with every operation rounded to `dtype`, and log-softmax of the logits and sums in fp32
    (`models.logprobs`, `methods.gradients`). A training whose frozen weights have that dtype, and whose
    autocast casts to it, rounds in the same places and takes the same fp32 log-softmax: the two differ by
    the order of sums, as any two batches do. A reference that is computed before the first step differs from
    the policy's own batches by as much, and so does TRL's with `precompute_ref_log_probs`.

    Not so where dtype and precision differ, in 4 bits, or where all weights are trained in bf16: these are
    fp32, and what autocast leaves alone (embeddings, norms, the residual stream) is not rounded.
    """
    loaded = {"lora": precision, "full": "fp32"}.get(weights)
    return dtype == precision == loaded


def stored_needs(recipe: Recipe, training: Training, loss: Loss) -> frozenset[Need]:
    """What such a training reads of the reference from the store: sums, single tokens, or nothing."""
    dtype = recipe.model.dtype if isinstance(recipe.model, HfModel) else "fp32"
    if not scored_alike(dtype, training.weights, training.precision):
        return frozenset()
    return row_needs(loss.needs, training.batching)


def row_needs(needs: Set[Need], batching: str) -> frozenset[Need]:
    """What a training must know of the reference for each distinct row, stored or computed.

    With `batching` "pairs" the sums are TRL's: of both rows of each pair, always computed.
    """
    of_rows: frozenset[Need] = frozenset({"common"} if batching == "pairs" else {"reference", "common"})
    return of_rows & needs
