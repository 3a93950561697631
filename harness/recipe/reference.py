"""What a training reads of the reference from the store, and in what arithmetic that was computed."""

from collections.abc import Set

from harness.recipe.losses import Need
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


def arithmetic_of(recipe: Recipe, training: Training) -> dict[str, str] | None:
    """In what such a training computes the reference, where that is not how its model is scored."""
    dtype = recipe.model.dtype if isinstance(recipe.model, HfModel) else "fp32"
    if scored_alike(dtype, training.weights, training.precision):
        return None
    return {"weights": training.weights, "precision": training.precision}


def row_needs(needs: Set[Need], batching: str) -> frozenset[Need]:
    """What a training reads of the reference for each distinct row.

    With `batching` "pairs" the sums are TRL's: of both rows of each pair, computed by the training.
    """
    of_rows: frozenset[Need] = frozenset({"common"} if batching == "pairs" else {"reference", "common"})
    return of_rows & needs
