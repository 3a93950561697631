"""From pairs to rows: cutting, dropping, and refusing what teaches nothing."""

from dataclasses import replace

import pytest

from harness.data.rows import PreferencePair
from harness.data.tokens import Encoded
from harness.errors import BadInput
from harness.models.chat import encode
from harness.models.load import Policy
from harness.training.examples import TokenPair, make_examples


def pair(prompt: str, chosen: str, rejected: str, rejected_finished: bool = True) -> PreferencePair:
    return PreferencePair("p", prompt, chosen, rejected, 0, 1, True, rejected_finished, 1.0)


def test_rows_that_fit_are_those_of_encode(tiny_policy: Policy) -> None:
    examples = make_examples(tiny_policy.tokenizer, [pair("w1", "w2 w3", "w4", rejected_finished=False)], 32)
    assert examples.pairs == (
        TokenPair(
            encode(tiny_policy.tokenizer, "w1", "w2 w3", finished=True),
            encode(tiny_policy.tokenizer, "w1", "w4", finished=False),
            "p",
            0,
            1,
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
        TokenPair(Encoded(prompt, (8, 9)), Encoded(prompt, (11, 2)), "p", 0, 1),
        TokenPair(Encoded(prompt, (8, 2)), Encoded(prompt, (9, 2)), "p", 0, 1),
    )
    assert (examples.dropped, examples.truncated) == (1, 1)


def test_pairs_that_teach_nothing_are_refused(tiny_policy: Policy) -> None:
    """An empty rejected response is one to be pushed down; equal texts differ where one was cut off."""
    for bad, problem in (
        (pair("w1", " ", "w2"), "the chosen response is empty"),
        (pair("w1", "w2", "w2"), r"both responses are the same within max_length \(32\)"),
    ):
        named = rf"^pairs: prompt 'p', chosen response 3, rejected 1: {problem}\. Leave the pair out\.$"
        with pytest.raises(BadInput, match=named):
            make_examples(tiny_policy.tokenizer, [replace(bad, chosen_index=3)], 32)
    cut = pair("w1", "w2 w3 w4", "w2 w3 w5")  # within 6 tokens, of which the prompt takes 4
    with pytest.raises(BadInput, match=r"rejected 1: both responses are the same within max_length \(6\)"):
        make_examples(tiny_policy.tokenizer, [cut], 6)
    assert len(make_examples(tiny_policy.tokenizer, [cut], 7).pairs) == 1
    fine = [pair("w1", "w2", ""), pair("w1", "w2", "w2", rejected_finished=False)]
    assert len(make_examples(tiny_policy.tokenizer, fine, 32).pairs) == 2
