"""Prompts with all their pairs: unique responses, how many prompts make a step, and their order."""

from harness.data.tokens import Encoded
from harness.training.examples import TokenPair
from harness.training.grouped import PromptGroup, group_pairs, prompts_in_step, training_parts


def pair(prompt_id: str, chosen: tuple[int, ...], rejected: tuple[int, ...]) -> TokenPair:
    prompt = (1, 2, 3) if prompt_id == "a" else (4,)
    return TokenPair(Encoded(prompt, chosen), Encoded(prompt, rejected), prompt_id, 0, 1)


def groups_of(depths: list[int]) -> list[PromptGroup]:
    """Prompts of one token with so many pairs each, all of the same two responses."""
    return [PromptGroup((1,), ((2,), (3,)), (0,) * d, (1,) * d, tuple(range(d))) for d in depths]


def test_a_response_in_several_pairs_is_there_once() -> None:
    """Prompt a has pairs 0 and 2: (5 6) over (7), (8) over (5 6), so three responses."""
    pairs = [pair("a", (5, 6), (7,)), pair("b", (5, 6), (9,)), pair("a", (8,), (5, 6))]
    assert group_pairs(pairs) == (
        PromptGroup((1, 2, 3), ((5, 6), (8,), (7,)), chosen=(0, 1), rejected=(2, 0), pairs=(0, 2)),
        PromptGroup((4,), ((5, 6), (9,)), chosen=(0,), rejected=(1,), pairs=(1,)),
    )


def test_tokens_leave_out_what_predicts_nothing() -> None:
    """3 prompt tokens; of responses with 2, 1 and 0 tokens 1, 0 and 0 are read: 3 + 1, or 3 * 3 + 1."""
    group = PromptGroup((1, 2, 3), ((5, 6), (7,), ()), (0,), (1,), (0,))
    assert (group.tokens(shared=True), group.tokens(shared=False)) == (4, 10)


def test_prompts_in_a_step_hold_its_pairs_on_average() -> None:
    """Mean depth 4: 32 / 4 = 8. Depth 5: 6.4, so 6. Depth 40: less than one, so 1.

    20 prompts with 5 pairs, 10 a step, are trained on in 10 steps of 2. With 15 a step: 3. With 7 a step,
    1.4 prompts: 1; but 15 steps of 7 pairs would reach all 100, so 2 = ceil(20 / 15).
    """
    assert prompts_in_step(groups_of([2, 6]), 32, steps=1) == 8
    assert prompts_in_step(groups_of([5] * 50), 32, steps=1) == 6
    assert prompts_in_step(groups_of([40] * 3), 32, steps=1) == 1
    assert prompts_in_step(groups_of([5] * 20), 10, steps=10) == 2
    assert prompts_in_step(groups_of([5] * 20), 15, steps=10) == 3
    assert prompts_in_step(groups_of([5] * 20), 7, steps=10) == 1
    assert prompts_in_step(groups_of([5] * 20), 7, steps=15) == 2


def test_every_epoch_holds_every_prompt_once_and_parts_are_nearly_equal() -> None:
    """12 prompts, 9 a step in 2 parts: 5 and 4. Four steps are three epochs."""
    parts = training_parts(groups_of([1] * 12), steps=4, per_step=9, parts=2, seed=0)
    assert [len(part) for part in parts] == [5, 4] * 4
    order = [at for part in parts for at in part]
    epochs = [order[start : start + 12] for start in range(0, 36, 12)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_few_prompts_repeat_within_a_step() -> None:
    """16 draws from 3 prompts: five epochs and one more."""
    parts = training_parts(groups_of([1] * 3), steps=2, per_step=8, parts=1, seed=0)
    order = [at for part in parts for at in part]
    assert sorted(order.count(at) for at in range(3)) == [5, 5, 6]


def test_a_step_puts_long_prompts_first_without_changing_which_it_has() -> None:
    long = [PromptGroup((1,) * size, ((2,), (3,)), (0,), (1,), (0,)) for size in range(1, 11)]
    plain = training_parts(groups_of([1] * 10), steps=5, per_step=4, parts=1, seed=3)
    parts = training_parts(long, steps=5, per_step=4, parts=1, seed=3)
    for part, same in zip(parts, plain, strict=True):
        assert part == sorted(part, reverse=True)
        assert sorted(part) == sorted(same)


def test_the_order_is_a_function_of_the_seed() -> None:
    first, again, other = (
        training_parts(groups_of([1] * 12), steps=4, per_step=6, parts=2, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other
