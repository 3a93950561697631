"""What pairs are ranked by, by hand and against plain loops."""

import numpy as np
import pytest

from harness.errors import BadInput
from harness.methods import values
from harness.methods.candidates import Candidates, make_candidates
from harness.methods.clustering import Matrix


def three() -> Candidates:
    """One prompt of three responses with scores 2, 1, 0: the pairs (0, 1), (0, 2), (1, 2)."""
    return make_candidates([0, 0, 0], ["a", "b", "c"], [2.0, 1.0, 0.0])


def rows(*found: list[float]) -> Matrix:
    return np.array(found, np.float32)


def test_implicit_margins_by_hand() -> None:
    """Log-ratios 1, -2 and 0.5: margins 3, 0.5 and -2.5."""
    policy, reference = rows([-4, -7, -1.5])[0], rows([-5, -5, -2])[0]
    assert values.implicit_margins(three(), policy, reference).tolist() == [3.0, 0.5, -2.5]


@pytest.mark.parametrize("block", [1, 2, 100])
def test_distances_are_those_of_the_rows(block: int) -> None:
    """(0, 0), (3, 4) and (3, 0), in half precision too."""
    found = rows([0, 0], [3, 4], [3, 0])
    assert values.distances(found, three(), block).tolist() == [5.0, 3.0, 4.0]
    assert values.distances(found.astype(np.float16), three(), block).tolist() == [5.0, 3.0, 4.0]


def test_text_distances_by_hand() -> None:
    """{a, b} and {b, c}: 1 of 3 in common. {a, b} and nothing: none. Repeats and order do not count."""
    pool = make_candidates([0, 0, 0, 0], ["a b", "c b b", "", "b a"], [3.0, 2.0, 1.0, 0.0])
    found = values.text_distances(["a b", "c b b", "", "b a"], pool)
    np.testing.assert_allclose(found, [2 / 3, 1, 0, 1, 2 / 3, 1])


def test_influence_is_the_cosine_to_the_mean() -> None:
    """Validation (1, 0) and (0, 1): the direction (1, 1). Of (1, 0), (-0.6, -0.8), none and (0.8, 0.6)."""
    found = values.influence(rows([1, 0], [-0.6, -0.8], [0, 0], [0.8, 0.6]), rows([1, 0], [0, 1]))
    np.testing.assert_allclose(found, [0.5**0.5, -1.4 * 0.5**0.5, -np.inf, 1.4 * 0.5**0.5], rtol=1e-6)


@pytest.mark.parametrize("validation", [np.zeros((0, 2), np.float32), rows([1, 0], [-1, 0])])
def test_influence_needs_a_direction(validation: Matrix) -> None:
    with pytest.raises(BadInput, match=r"Raise depth\.validation or responses_per_prompt"):
        values.influence(rows([1, 0]), validation)


def test_bees_by_hand() -> None:
    """Margins from -2 to 2 on [0, 1] are .25 x margin + .5. External 2, 0, 0; implicit -1, -1, -2.

    m1 = 1, .5, .5. The implicit maximum is -1, so m2 = 1, 1, 0. Fused: 1; .5 / (.5 + 0) = 1; 0.
    """
    found = values.bees(np.array([2.0, 0, 0]), np.array([-1.0, -1, -2]), upper=1.0)
    np.testing.assert_allclose(found, [1, 1, 0])


def test_bees_of_margins_that_contradict_each_other_is_a_half() -> None:
    found = values.bees(np.array([2.0, -2.0]), np.array([-2.0, 2.0]), upper=1.0)
    np.testing.assert_allclose(found, [0.5, 0.5])


def test_bees_clips_outliers() -> None:
    """Margins 0 .. 99 and 1000: above the 95 % quantile (95) all are 1; far below -2 all are 0."""
    external = np.append(np.arange(100.0), [1000])
    found = values.bees(external, external, upper=0.95)
    assert found[-1] == found[99] == found[95] == 1 > found[94]
    low = values.bees(np.array([-500.0, -3, 0, 1]), np.array([1.0, 1, 1, 1]), upper=1.0)
    assert low[0] == low[1] != low[2]


def test_bees_where_every_margin_is_below_the_clip() -> None:
    assert np.all(np.isfinite(values.bees(np.full(3, -5.0), np.full(3, -9.0), upper=0.5)))


def test_ifd_by_hand() -> None:
    """Per token: ln .5 helped, so 0.5; ln 2 hindered, so 2 (which comes last, as -1); equal, so 1 (as 0)."""
    lengths = np.array([2, 4, 1])
    unconditional = np.array([-6, -6, -6], np.float32)
    helped = np.array([2 * np.log(2), -4 * np.log(2), 0], np.float32)
    pool = make_candidates([0, 0, 0, 0], list("abcd"), [3.0, 2.0, 1.0, 0.0])
    extra = [np.append(row, last) for row, last in ((unconditional + helped, 0), (unconditional, 0))]
    found = values.ifd(pool, extra[0], extra[1], np.append(lengths, 1))
    np.testing.assert_allclose(found, [0.5] * 3 + [-1] * 2 + [0], atol=1e-6)


def test_the_diversity_filter_by_hand() -> None:
    """Chosen responses in the order of scores: 0 (east), 1 (nearly east), 2 (north).

    (0, 3) has the widest gap of the first and is kept; its two other pairs are the same response again;
    1 is too near; 2 is kept with its one pair; then all others in the order of the walk.
    """
    pool = make_candidates([0, 0, 0, 0], list("abcd"), [3.0, 2.0, 1.0, 0.0])
    embeddings = rows([2, 0], [5, 0.5], [0, 1], [1, 1])
    found = values.diversity_filtered(pool, np.array([3.0, 2, 1, 0]), embeddings, similarity=0.9)
    order = [(int(pool.chosen[at]), int(pool.rejected[at])) for at in np.argsort(-found)]
    assert order == [(0, 3), (2, 3), (0, 2), (0, 1), (1, 3), (1, 2)]


@pytest.mark.parametrize("similarity", [0.3, 0.7, 1.0])
def test_the_diversity_filter_keeps_what_a_plain_loop_keeps(similarity: float) -> None:
    rng = np.random.default_rng(0)
    scores, embeddings = rng.normal(size=40), rng.normal(size=(40, 3)).astype(np.float32)
    pool = make_candidates(np.repeat(np.arange(8), 5).tolist(), [str(n) for n in range(40)], scores.tolist())
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    walk = sorted(range(len(pool)), key=lambda at: (-scores[pool.chosen[at]], -pool.gap[at]))
    kept: list[int] = []
    for at in walk:
        mine = pool.chosen[at]
        others = [pool.chosen[other] for other in kept]
        if mine not in others and all(units[mine] @ units[other] < similarity for other in others):
            kept.append(at)
    found = np.argsort(-values.diversity_filtered(pool, scores, embeddings, similarity))
    assert found[: len(kept)].tolist() == kept
    assert found[len(kept) :].tolist() == [at for at in walk if at not in kept]
