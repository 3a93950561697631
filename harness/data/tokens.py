"""Token rows, padded batches, and the log-probability of a response."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Encoded:
    """One prompt and one response as token ids; a finished response ends in its end-of-sequence token."""

    prompt: tuple[int, ...]
    response: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response)


@dataclass(frozen=True)
class TokenBatch:
    """Right-padded rows: `input_ids`, `attention_mask`, `response_mask`, each [rows, length]."""

    input_ids: Tensor
    attention_mask: Tensor
    response_mask: Tensor

    def to(self, device: torch.device) -> "TokenBatch":
        """The same batch on another device."""
        return TokenBatch(
            self.input_ids.to(device), self.attention_mask.to(device), self.response_mask.to(device)
        )

    @property
    def length(self) -> int:
        """Columns: the tokens of the longest row."""
        return self.input_ids.shape[1]

    def from_first_response(self) -> "TokenBatch":
        """The columns from the one on that predicts the first response token of any row; at least one."""
        columns = self.response_mask.any(0).nonzero()
        start = max(int(columns[0]) - 1, 0) if len(columns) else self.length - 1
        return TokenBatch(
            self.input_ids[:, start:], self.attention_mask[:, start:], self.response_mask[:, start:]
        )


def pad(rows: Sequence[Encoded], pad_id: int) -> TokenBatch:
    """Pad rows on the right to the longest of them.

    Right padding, so that positions are right even for models that derive them from the row's start.
    """
    length = max(len(row) for row in rows)
    ids = torch.full((len(rows), length), pad_id, dtype=torch.long)
    attention = torch.zeros((len(rows), length), dtype=torch.long)
    response = torch.zeros((len(rows), length), dtype=torch.bool)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row.prompt + row.response)
        attention[index, : len(row)] = 1
        response[index, len(row.prompt) : len(row)] = True
    return TokenBatch(ids, attention, response)


def response_logprobs(logits: Tensor, batch: TokenBatch) -> Tensor:
    """Sum of the log-probabilities of each row's response tokens, in fp32.

    Args:
        logits: [rows, length, vocabulary], the model's output for `batch`.
        batch: the rows; position t is predicted from position t - 1.

    Returns:
        [rows] log-probabilities in nats.
    """
    return token_logprobs(logits, batch).sum(-1)


def token_logprobs(logits: Tensor, batch: TokenBatch) -> Tensor:
    """The log-probability of each response token in fp32, as in `response_logprobs`.

    Returns:
        [rows, length - 1] in nats; column t is of the token at position t + 1, and 0 outside the response.
    """
    predicted = logits[:, :-1].float().log_softmax(-1)
    tokens = batch.input_ids[:, 1:].unsqueeze(-1)
    logprobs = predicted.gather(-1, tokens).squeeze(-1)
    return logprobs * batch.response_mask[:, 1:]
