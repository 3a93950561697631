"""From pairs to rows: cutting, dropping, and the order of training."""

from harness.data.rows import PreferencePair
from harness.data.tokens import Encoded
from harness.models.chat import encode
from harness.models.load import Policy
from harness.training.examples import TokenPair, make_examples, training_order


def pair(prompt: str, chosen: str, rejected: str, rejected_finished: bool = True) -> PreferencePair:
    return PreferencePair("p", prompt, chosen, rejected, 0, 1, True, rejected_finished, 1.0)


def test_rows_that_fit_are_those_of_encode(tiny_policy: Policy) -> None:
    examples = make_examples(tiny_policy.tokenizer, [pair("w1", "w2 w3", "w4", rejected_finished=False)], 32)
    assert examples.pairs == (
        TokenPair(
            encode(tiny_policy.tokenizer, "w1", "w2 w3", finished=True),
            encode(tiny_policy.tokenizer, "w1", "w4", finished=False),
        ),
    )
    assert (examples.dropped, examples.truncated) == (0, 0)


def test_long_responses_are_cut_and_long_prompts_dropped(tiny_policy: Policy) -> None:
    """At 6 tokens: a one-word prompt takes 4 (bos, user, word, assistant) and leaves 2.

    First pair: 3 + eos and 1 + eos response tokens, so one row is cut. Second: 1 + eos each, it fits.
    Third: a prompt of three words takes all 6, so nothing would be left.
    """
    pairs = [pair("w1", "w2 w3 w4", "w5"), pair("w1", "w2", "w3"), pair("w1 w2 w3", "w4", "w5")]
    examples = make_examples(tiny_policy.tokenizer, pairs, 6)
    prompt = (1, 4, 7, 5)
    assert examples.pairs == (
        TokenPair(Encoded(prompt, (8, 9)), Encoded(prompt, (11, 2))),
        TokenPair(Encoded(prompt, (8, 2)), Encoded(prompt, (9, 2))),
    )
    assert (examples.dropped, examples.truncated) == (1, 1)


def test_every_epoch_holds_every_pair_once() -> None:
    """12 pairs of equal length, 9 a step: equal lengths keep the drawn order, so epochs can be cut out."""
    order = training_order([5] * 12, steps=4, pairs_per_step=9, seed=0)
    assert len(order) == 36
    epochs = [order[start : start + 12] for start in range(0, 36, 12)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_few_pairs_repeat_within_a_step() -> None:
    """16 draws from 3 pairs: five epochs and one more pair."""
    order = training_order([5] * 3, steps=2, pairs_per_step=8, seed=0)
    assert sorted(order.count(index) for index in range(3)) == [5, 5, 6]


def test_a_step_puts_long_pairs_first_without_changing_which_pairs_it_has() -> None:
    lengths = list(range(1, 11))
    plain = training_order([5] * 10, steps=5, pairs_per_step=4, seed=3)
    order = training_order(lengths, steps=5, pairs_per_step=4, seed=3)
    for start in range(0, 20, 4):
        step = [lengths[index] for index in order[start : start + 4]]
        assert step == sorted(step, reverse=True)
        assert sorted(order[start : start + 4]) == sorted(plain[start : start + 4])


def test_the_order_is_a_function_of_the_seed() -> None:
    assert training_order([5] * 12, 4, 6, seed=1) == training_order([5] * 12, 4, 6, seed=1)
    assert training_order([5] * 12, 4, 6, seed=1) != training_order([5] * 12, 4, 6, seed=2)
