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
    """The largest margins are 2 and -1, so x starts at int(2 / 1.5) = 1 and int(-1 / 2) = 0: few lie above.

    External 2, 0, 0 is clipped to 1, 0, 0 and raised to 3, 2, 2: m1 = 1, 2/3, 2/3. Implicit -1, -1, -3 is
    clipped to -1, -1, -2 and raised to 1, 1, 0: m2 = 1, 1, 0. Fused: 1; (2/3) / (2/3 + 0) = 1; 0.
    """
    found = values.bees(np.array([2.0, 0, 0]), np.array([-1.0, -1, -3]))
    np.testing.assert_allclose(found, [1, 1, 0])


def test_bees_fuses_two_probabilities_by_hand() -> None:
    """External 4, 1 (x = int(4 / 1.5) = 2): 2, 1, raised to 4, 3: m1 = 1, 3/4. Implicit 0, 6 (x = 3): 2/5, 1.

    Third pair: external 0 gives 2/4, implicit 1 gives 3/5: .3 / (.3 + .5 * .4) = 3/5.
    """
    found = values.bees(np.array([4.0, 1, 0]), np.array([0.0, 6, 1]))
    np.testing.assert_allclose(found, [1, 1, 3 / 5])


def test_the_clip_of_bees_rises_until_the_tail_is_thin() -> None:
    """Margins 0 .. 99: from int(99 / 2) = 49, above which 50 lie, to 70, the first with fewer than 30 above.

    So every margin from 70 on is as good as 99. With ten pairs, fewer than 30 lie above any: x stays at 4.
    """
    alike = np.ones(100)
    found = values.bees(alike, np.arange(100.0))
    assert found[70] == found[99] == 1 > found[69]
    few = values.bees(np.ones(10), np.arange(10.0))
    assert few[4] == few[9] == 1 > few[3]


def test_the_clip_of_bees_asks_for_a_pair_in_each_unit() -> None:
    """40 margins of 60, one of 100: above int(100 / 2) = 50 lie 41, fewer than the 50 units left."""
    found = values.bees(np.ones(42), np.array([0.0, *[60] * 40, 100]))
    assert found[1] == found[-1] == 1 > found[0]


def test_bees_of_margins_that_contradict_each_other_is_a_half() -> None:
    found = values.bees(np.array([2.0, -2.0]), np.array([-2.0, 2.0]))
    np.testing.assert_allclose(found, [0.5, 0.5])


def test_bees_of_a_margin_that_is_the_same_for_all_is_the_other_one() -> None:
    """Implicit margins all below the clip say nothing; external 0, 2 (x = 1) gives 2/3 and 1."""
    found = values.bees(np.array([0.0, 2]), np.array([-5.0, -9]))
    np.testing.assert_allclose(found, [2 / 3, 1])


def test_ifd_by_hand() -> None:
    """-3 given the prompt and -6 without: 0.5. -6 and -6: 1, kept. -9 and -6: 1.5, so last, as 1 - 1.5."""
    unconditional = np.full(4, -6, np.float32)
    conditional = np.array([-3, -6, -9, -1], np.float32)
    pool = make_candidates([0, 0, 0, 0], list("abcd"), [3.0, 2.0, 1.0, 0.0])
    found = values.ifd(pool, conditional, unconditional)
    np.testing.assert_allclose(found, [0.5] * 3 + [1] * 2 + [-0.5])


def test_ifd_of_a_response_that_is_certain_by_itself_comes_last() -> None:
    found = values.ifd(three(), np.array([-1, -2, -1], np.float32), np.array([0, -4, -1], np.float32))
    assert np.all(np.isfinite(found))
    assert found[2] == 0.5 > 0 > found[0] == found[1]


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


def test_the_diversity_filter_keeps_what_lies_at_the_threshold() -> None:
    """East, north and north-east scaled: cosines 0 and sqrt(.5); at 0 north is kept, north-east is not."""
    pool = make_candidates([0, 1, 2] * 2, list("abcdef"), [9.0, 8, 7, 0, 0, 0])
    embeddings = rows([1, 0], [0, 1], [1, 1], [1, 0], [1, 0], [1, 0])
    found = values.diversity_filtered(pool, np.array([9.0, 8, 7, 0, 0, 0]), embeddings, similarity=0.0)
    assert np.sum(found > 0) == 2
    assert found[pool.chosen == 2].item() <= 0


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
        if mine not in others and all(units[mine] @ units[other] <= similarity for other in others):
            kept.append(at)
    found = np.argsort(-values.diversity_filtered(pool, scores, embeddings, similarity))
    assert found[: len(kept)].tolist() == kept
    assert found[len(kept) :].tolist() == [at for at in walk if at not in kept]
