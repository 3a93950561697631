"""Values of candidate pairs: what a whole-dataset rule ranks them by. The highest are taken first.

Depth counts the pairs of the highest values in the whole pool (`depth.by_value`), pairing takes the highest
within each prompt (`pairing.by_value`): together they are "the best b pairs".
"""

from collections.abc import Sequence

import numpy as np

from harness.errors import BadInput
from harness.methods.candidates import Candidates, Floats
from harness.methods.clustering import Matrix, Rows, blocks
from harness.methods.features import Gradients

# BeeS: margins are clipped from below at -2; from above no lower than where fewer pairs than this lie beyond.
BEES_LOWEST, BEES_ABOVE = -2.0, 30


def implicit_margins(candidates: Candidates, policy: Matrix, reference: Matrix) -> Floats:
    """[P] How much more than the reference the policy prefers the chosen response, in nats.

    (log pi_w - log ref_w) - (log pi_l - log ref_l): DPO's implicit reward margin without its factor beta
    (arXiv 2305.18290, section 4), which changes no ranking. The DPO loss of a pair falls with it. "Smallest"
    is signed, as in the code of arXiv 2508.04149: pairs that the policy orders wrongly come first.

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


def bees(external: Floats, implicit: Floats) -> Floats:
    """[P] BeeS: the two margins as probabilities, fused (arXiv 2502.14560, section 4).

    Each margin is clipped to [-2, x], raised by 2 and divided by the largest: m in [0, 1]. The value is
    m1 m2 / (m1 m2 + (1 - m1) (1 - m2)). x is found as in `bees.py` of a replication's code
    (github.com/AliEdalat/preference-data-selection): see `_bees_highest`. Where that code gives NaN, two
    margins that contradict each other outright (0 and 1) are worth 1/2, and a margin that is the same for all
    pairs says nothing (m = 1/2).

    Args:
        external: [P] score gaps.
        implicit: [P] margins under a warmed-up policy, in nats, without beta.
    """
    first = _bees_scaled(external, _bees_highest(external, share=1 / 1.5))
    second = _bees_scaled(implicit, _bees_highest(implicit, share=1 / 2))
    both, neither = first * second, (1 - first) * (1 - second)
    total = both + neither
    return np.divide(both, total, out=np.full_like(total, 0.5), where=total > 0)


def _bees_highest(margins: Floats, share: float) -> float:
    """From `share` of the largest margin upwards, in whole units, to where the tail is thin.

    Thin: fewer than 30 pairs lie above, or fewer than one for each unit that is left.
    """
    most = float(margins.max())
    highest = int(most * share)
    while highest <= most and np.sum(margins > highest) >= max(BEES_ABOVE, most - highest):
        highest += 1
    return float(highest)


def _bees_scaled(margins: Floats, highest: float) -> Floats:
    raised: Floats = np.clip(margins, BEES_LOWEST, max(highest, BEES_LOWEST)) - BEES_LOWEST
    if np.ptp(raised) == 0:
        return np.full_like(raised, 0.5)
    scaled: Floats = raised / raised.max()
    return scaled


def ifd(candidates: Candidates, conditional: Matrix, unconditional: Matrix) -> Floats:
    """[P] Instruction-following difficulty of the chosen response (arXiv 2308.12032, eq. 3).

    s(y | x) / s(y), s the mean loss over the tokens of y; so log p(y | x) / log p(y): near 1 where the prompt
    hardly helps to predict the response. Above 1 the two do not fit each other, and the authors' code
    (github.com/tianyi-lab/Cherry_LLM, `data_by_IFD.py`) leaves the sample out: here such pairs come after all
    others, the highest last, so that a budget is still met. That code puts a response by itself after its
    template's "### Response:"; here it follows the token that begins a text. (arXiv 2402.00530 has the ratio
    of perplexities in place of losses, which orders samples otherwise.)

    Args:
        candidates: the usable pairs.
        conditional: [n] log-probabilities of the responses given their prompts.
        unconditional: [n] the same without prompts.
    """
    # A response that is certain without its prompt has no loss to divide by.
    alone = np.minimum(unconditional, -np.finfo(np.float32).tiny).astype(np.float64)
    ratio: Floats = (conditional / alone)[candidates.chosen]
    return np.where(ratio <= 1, ratio, 1 - ratio)


def diversity_filtered(
    candidates: Candidates, scores: Floats, embeddings: Matrix, similarity: float
) -> Floats:
    """[P] Deita's filter (arXiv 2312.15685, section 3.3) on scores and embeddings of the chosen responses.

    Candidates are walked from the highest score of the chosen response to the lowest (equal ones: wider gap
    first); one is kept if its embedding's cosine to no one kept before is above `similarity`. Values follow
    the walk, kept ones before all others, so that a budget above the number kept is still met.

    The walk, the cosine and the threshold of 0.9 are those of the authors' code (github.com/hkust-nlp/deita,
    `selection/filter`). Two things differ. Their score is complexity times quality by two trained scorers;
    here it is the judge's. Their embedding is the last token's hidden state in a larger model of its own;
    here it is the base model's mean over the response. A response stands for itself: in several pairs it is
    the same one again, at any `similarity`.

    Args:
        candidates: the usable pairs.
        scores: [n] of the responses.
        embeddings: [n, width] of the responses.
        similarity: cosines above this count as the same again.
    """
    walk = np.lexsort((-candidates.gap, -scores[candidates.chosen]))
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    units = embeddings / np.maximum(norms, np.finfo(np.float32).tiny)
    kept = np.zeros(len(walk), bool)
    # The cosine of every response to the nearest one kept so far.
    nearest = np.full(len(units), -np.inf, np.float32)
    for place in walk:
        chosen = candidates.chosen[place]
        if nearest[chosen] <= similarity:
            kept[place] = True
            np.maximum(nearest, units @ units[chosen], out=nearest)
            # Its own cosine is 1, which a similarity of 1 would let pass.
            nearest[chosen] = np.inf
    values = np.empty(len(walk))
    values[walk] = -np.arange(len(walk), dtype=np.float64)
    return values + np.where(kept, len(walk), 0)
