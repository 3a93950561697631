"""All usable pairs of a pool, against a plain double loop."""

import numpy as np
import pytest

from harness.errors import BadInput
from harness.methods.candidates import make_candidates, rank_within


def plain_pairs(
    prompt_of: list[int], texts: list[str], scores: list[float]
) -> list[tuple[int, int, int, float]]:
    """Every pair, one at a time: the yardstick."""
    first: dict[tuple[int, str], int] = {}
    for at, key in enumerate(zip(prompt_of, texts, strict=True)):
        first.setdefault(key, at)
    kept = sorted(first.values())
    return sorted(
        (prompt_of[a], a, b, scores[a] - scores[b])
        for a in kept
        for b in kept
        if prompt_of[a] == prompt_of[b] and scores[a] > scores[b]
    )


def test_by_hand() -> None:
    """Prompt 0 has a, b, a again (skipped) and c; b and c tie. Prompt 1 has one text. Prompt 2 has d < e.

    Responses: 0 a 1.0, 1 b 3.0, 2 a 9.0, 3 c 3.0 | 4 a 5.0, 5 a 6.0 | 6 d 0.5, 7 e 2.0.
    Left are b over a, c over a (gap 2 each) and e over d (gap 1.5).
    """
    found = make_candidates(
        [0, 0, 0, 0, 1, 1, 2, 2], list("abacaade"), [1.0, 3.0, 9.0, 3.0, 5.0, 6.0, 0.5, 2.0]
    )
    assert found.prompt.tolist() == [0, 0, 2]
    assert found.chosen.tolist() == [1, 3, 7]
    assert found.rejected.tolist() == [0, 0, 6]
    assert found.gap.tolist() == [2.0, 2.0, 1.5]
    assert found.per_prompt.tolist() == [2, 0, 1]
    assert len(found) == 3


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_plain_way(seed: int) -> None:
    """Prompts of unequal size, responses in any order, repeated texts and tied scores."""
    rng = np.random.default_rng(seed)
    prompt_of = rng.permutation(np.repeat(np.arange(9), rng.integers(1, 9, 9))).tolist()
    texts = [f"t{code}" for code in rng.integers(0, 6, len(prompt_of))]
    scores = [float(score) for score in rng.integers(0, 5, len(prompt_of))]
    found = make_candidates(prompt_of, texts, scores)
    rows = zip(
        found.prompt.tolist(), found.chosen.tolist(), found.rejected.tolist(), found.gap.tolist(), strict=True
    )
    assert list(rows) == plain_pairs(prompt_of, texts, scores)
    assert found.prompt_count == 9


def test_lengths_in_place_of_scores_choose_the_longer() -> None:
    texts = ["long answer", "short", "equal"]
    found = make_candidates([0, 0, 0], texts, [len(text) for text in texts])
    assert (found.chosen.tolist(), found.rejected.tolist()) == ([0, 0], [1, 2])


def test_nothing_to_pair() -> None:
    assert len(make_candidates([], [], [])) == 0
    assert make_candidates([0, 1], ["a", "b"], [1.0, 2.0]).per_prompt.tolist() == [0, 0]


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_refused(score: float) -> None:
    with pytest.raises(BadInput, match=r"Response 1 \(prompt 0\) has the score"):
        make_candidates([0, 0], ["a", "b"], [1.0, score])


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="equal length"):
        make_candidates([0, 0], ["a", "b"], [1.0])


def test_rank_within_by_hand() -> None:
    """Group 0 holds 5, 1, 5 (the earlier 5 first); group 1 holds 2, 0."""
    ranks = rank_within(np.array([0, 1, 0, 1, 0]), np.array([5.0, 2.0, 1.0, 0.0, 5.0]))
    assert ranks.tolist() == [1, 1, 0, 0, 2]
    assert len(rank_within(np.empty(0, np.int64), np.empty(0))) == 0
