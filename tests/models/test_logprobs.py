"""Response log-probabilities against the plain way: one row, one token at a time."""

import numpy as np
import pytest
import torch

from harness.data.tokens import Encoded
from harness.models.load import Policy
from harness.models.logprobs import sequence_logprobs

ROWS = [
    Encoded((1, 4, 7, 5), (9, 10, 2)),
    Encoded((1, 4, 7, 8, 9, 5), (11,)),
    Encoded((1, 4, 12, 5), tuple(range(20, 40))),
    Encoded((1, 4, 12, 5), ()),
]


def one_by_one(policy: Policy, row: Encoded) -> float:
    """Sum of log p(token | all tokens before it), each from its own unpadded forward pass."""
    total = 0.0
    for position, token in enumerate(row.response):
        ids = torch.tensor([row.prompt + row.response[:position]])
        total += float(policy.model(ids).logits[0, -1].log_softmax(-1)[token])
    return total


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_padding_and_order_do_not_matter(tiny_policy: Policy, batch_size: int) -> None:
    expected = [one_by_one(tiny_policy, row) for row in ROWS]
    result = sequence_logprobs(tiny_policy, ROWS, batch_size)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_an_empty_response_is_certain(tiny_policy: Policy) -> None:
    assert sequence_logprobs(tiny_policy, [ROWS[3]])[0] == 0.0


def test_the_probabilities_of_all_one_token_responses_sum_to_one(tiny_policy: Policy) -> None:
    rows = [Encoded((1, 4, 7, 5), (token,)) for token in range(60)]
    assert np.exp(sequence_logprobs(tiny_policy, rows).astype(float)).sum() == pytest.approx(1, abs=1e-5)
