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


def token_logprobs(logits: Tensor, batch: TokenBatch) -> Tensor:
    """The log-probability of each response token, in fp32; 0 for a token of the prompt, and for a pad.

    Args:
        logits: [rows, length, vocabulary], the model's output for `batch`.
        batch: the rows; position t is predicted from position t - 1.

    Returns:
        [rows, length - 1] log-probabilities in nats, those of the tokens after the first.
    """
    predicted = logits[:, :-1].float().log_softmax(-1)
    tokens = batch.input_ids[:, 1:].unsqueeze(-1)
    return predicted.gather(-1, tokens).squeeze(-1) * batch.response_mask[:, 1:]


def response_logprobs(logits: Tensor, batch: TokenBatch) -> Tensor:
    """[rows] the sums of `token_logprobs` over each row."""
    return token_logprobs(logits, batch).sum(-1)
