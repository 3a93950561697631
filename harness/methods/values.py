"""Values of candidate pairs: what a whole-dataset rule ranks them by. The highest are taken first.

Depth counts the pairs of the highest values in the whole pool (`depth.by_value`), pairing takes the highest
within each prompt (`pairing.by_value`): together they are "the best b pairs".
"""

from collections.abc import Sequence

import numpy as np

from harness.errors import BadInput
from harness.methods.candidates import Candidates, Floats, Ints
from harness.methods.clustering import Matrix, Rows, blocks
from harness.methods.features import Gradients

# BeeS, section 4: margins are clipped from below at -2.
BEES_LOWEST = -2.0


def implicit_margins(candidates: Candidates, policy: Matrix, reference: Matrix) -> Floats:
    """[P] How much more than the reference the policy prefers the chosen response, in nats.

    (log pi_w - log ref_w) - (log pi_l - log ref_l): DPO's implicit reward margin without its factor beta
    (arXiv 2305.18290, section 4). The DPO loss of a pair falls with it.

    Args:
        candidates: the usable pairs.
        policy: [n] log-probabilities of the responses under a warmed-up policy.
        reference: [n] the same under the reference.
    """
    ratios = policy.astype(np.float64) - reference
    return ratios[candidates.chosen] - ratios[candidates.rejected]


def distances(rows: Gradients, candidates: Candidates, block: int = 4096) -> Floats:
    """[P] Euclidean distance between the rows of a pair's two responses.

    Of gradients, it is the norm of the pair's own gradient for a margin loss whose slope is one (GraNd:
    arXiv 2107.07075); of hidden states, how far apart the responses lie.

    Args:
        rows: [n, width], one for each response.
        candidates: the usable pairs.
        block: pairs at once; it bounds the memory.
    """
    found = np.empty(len(candidates))
    for start in range(0, len(candidates), block):
        part = slice(start, start + block)
        chosen, rejected = rows[candidates.chosen[part]], rows[candidates.rejected[part]]
        found[part] = np.linalg.norm(chosen.astype(np.float32) - rejected, axis=1)
    return found


def text_distances(texts: Sequence[str], candidates: Candidates) -> Floats:
    """[P] Jaccard distance between the words of a pair's two responses: 0 all in common, 1 none."""
    words = [frozenset(text.split()) for text in texts]
    sides = zip(candidates.chosen.tolist(), candidates.rejected.tolist(), strict=True)
    shared = ((len(words[w] & words[r]), len(words[w] | words[r])) for w, r in sides)
    return np.array([1.0 - both / max(either, 1) for both, either in shared], np.float64)


def influence(features: Rows, validation: Matrix) -> Floats:
    """[P] Cosine of each pair's gradient to the mean gradient of validation pairs (LESS, arXiv 2402.04333).

    Pairs without a direction come last.

    Args:
        features: [P, dim] unit rows of the candidates.
        validation: [V, dim] unit rows of the validation pairs.

    Raises:
        BadInput: the validation pairs have no direction in common, or there are none.
    """
    target = validation.sum(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(target))
    if norm == 0:
        raise BadInput(
            "The validation prompts have no pair of responses with different scores and gradients, so no "
            "influence can be measured. Raise depth.validation or responses_per_prompt."
        )
    cosines = np.empty(len(features))
    for at, rows in blocks(features):
        cosines[at] = np.where(rows.any(axis=1), rows @ (target / norm).astype(np.float32), -np.inf)
    return cosines


def bees(external: Floats, implicit: Floats, upper: float) -> Floats:
    """[P] BeeS: the two margins as probabilities, fused (arXiv 2502.14560, section 4).

    Each margin is clipped to [-2, x] and scaled to m in [0, 1]; the value is
    m1 m2 / (m1 m2 + (1 - m1) (1 - m2)). Where the two contradict each other outright (0 and 1) it is 1/2.

    Args:
        external: [P] score gaps.
        implicit: [P] margins under a warmed-up policy.
        upper: x is this quantile of each margin.
    """
    first, second = (_scaled(margins, upper) for margins in (external, implicit))
    both, neither = first * second, (1 - first) * (1 - second)
    total = both + neither
    return np.divide(both, total, out=np.full_like(total, 0.5), where=total > 0)


def ifd(candidates: Candidates, conditional: Matrix, unconditional: Matrix, lengths: Ints) -> Floats:
    """[P] Instruction-following difficulty of the chosen response (arXiv 2308.12032, eq. 3).

    ppl(y | x) / ppl(y): near 1 where the prompt hardly helps to predict the response. Above 1 the two do not
    fit each other: such pairs come after all others, the highest last.

    Args:
        candidates: the usable pairs.
        conditional: [n] log-probabilities of the responses given their prompts.
        unconditional: [n] the same without prompts.
        lengths: [n] response tokens.
    """
    per_token = (unconditional.astype(np.float64) - conditional) / np.maximum(lengths, 1)
    ratio = np.exp(per_token)[candidates.chosen]
    return np.where(ratio < 1, ratio, 1 - ratio)


def diversity_filtered(
    candidates: Candidates, scores: Floats, embeddings: Matrix, similarity: float
) -> Floats:
    """[P] Deita's filter (arXiv 2312.15685, section 3.3) on scores and embeddings of the chosen responses.

    Candidates are walked from the highest score of the chosen response to the lowest (equal ones: wider gap
    first); one is kept if its embedding's cosine to every one kept before is below `similarity`. Values
    follow the walk, kept ones before all others, so that a budget above the number kept is still met.

    Args:
        candidates: the usable pairs.
        scores: [n] of the responses.
        embeddings: [n, width] of the responses.
        similarity: cosines at or above this count as the same again.
    """
    walk = np.lexsort((-candidates.gap, -scores[candidates.chosen]))
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    units = embeddings / np.maximum(norms, np.finfo(np.float32).tiny)
    kept = np.zeros(len(walk), bool)
    # The cosine of every response to the nearest one kept so far.
    nearest = np.full(len(units), -np.inf, np.float32)
    for place in walk:
        chosen = candidates.chosen[place]
        if nearest[chosen] < similarity:
            kept[place] = True
            np.maximum(nearest, units @ units[chosen], out=nearest)
            # Rounding must not let a response pass beside itself.
            nearest[chosen] = np.inf
    values = np.empty(len(walk))
    values[walk] = -np.arange(len(walk), dtype=np.float64)
    return values + np.where(kept, len(walk), 0)


def _scaled(margins: Floats, upper: float) -> Floats:
    """Clipped to [-2, the quantile], then from 0 to 1."""
    highest = max(float(np.quantile(margins, upper)), BEES_LOWEST + np.finfo(np.float64).eps)
    return (np.clip(margins, BEES_LOWEST, highest) - BEES_LOWEST) / (highest - BEES_LOWEST)
