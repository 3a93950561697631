"""The evaluation half and the order of the training half depend on the prompts and the seed only."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.rows import Prompt
from harness.data.split import split
from harness.data.turns import prompt_id


def prompt(*texts: str) -> Prompt:
    """User and assistant in turn."""
    turns = tuple(
        {"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)
    )
    return Prompt(prompt_id(turns), texts[-1], history=turns[:-1])


MANY = [prompt(f"question {number}") for number in range(2000)]


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.integers(0, 1000), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_the_order_of_the_file_does_not_matter(shuffle: random.Random, seed: int, evaluation: float) -> None:
    some = MANY[:100]
    mixed = some.copy()
    shuffle.shuffle(mixed)
    halves = split(mixed, evaluation, seed)
    assert halves == split(some, evaluation, seed)
    assert {one.id for one in halves.training + halves.evaluation} == {one.id for one in some}
    assert len(halves.training) + len(halves.evaluation) == len(some)


def test_the_shares_are_those_asked_for() -> None:
    """Binomial: of 2,000 at 0.1, 200 with deviation sqrt(2000 * 0.1 * 0.9) = 13.4; five of it are 67."""
    assert abs(len(split(MANY, 0.1, 0).evaluation) - 200) < 67
    assert split(MANY, 0, 0).evaluation == ()
    assert split(MANY, 1, 0).training == ()


def test_a_seed_orders_training_anew_and_moves_nothing_to_the_other_half() -> None:
    """Two random orders of n agree in one place on average; in 20 or more with a chance below 1e-18."""
    first, second = split(MANY, 0.1, 0), split(MANY, 0.1, 1)
    assert first.evaluation == second.evaluation
    assert set(map(id, first.training)) == set(map(id, second.training))
    assert sum(a is b for a, b in zip(first.training, second.training, strict=True)) < 20


def test_more_data_moves_no_prompt_to_the_other_half() -> None:
    few, all_of_them = split(MANY[:500], 0.2, 0), split(MANY, 0.2, 0)
    assert {one.id for one in few.evaluation} <= {one.id for one in all_of_them.evaluation}
    assert [one for one in all_of_them.training if one in few.training] == list(few.training)


def test_dialogues_with_one_beginning_stay_together() -> None:
    longer = [prompt(f"question {number}", "answer", "and then?") for number in range(2000)]
    halves = split(MANY + longer, 0.3, 0)
    first = [{one.turns[0]["content"] for one in half} for half in (halves.training, halves.evaluation)]
    assert first[0].isdisjoint(first[1])
    assert len(halves.evaluation) == 2 * len(first[1]) > 0
