"""From preference pairs to the token rows of each training step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.data.rows import PreferencePair
from harness.data.tokens import Encoded
from harness.models.chat import encode


@dataclass(frozen=True)
class TokenPair:
    """The chosen and the rejected row of one pair; both begin with the same prompt tokens."""

    chosen: Encoded
    rejected: Encoded

    @property
    def length(self) -> int:
        """Tokens of the longer row."""
        return max(len(self.chosen), len(self.rejected))


@dataclass(frozen=True)
class Examples:
    """Rows that fit `max_length`, and what became of the others."""

    pairs: tuple[TokenPair, ...]
    dropped: int
    truncated: int


def make_examples(tokenizer: Tokenizer, pairs: Sequence[PreferencePair], max_length: int) -> Examples:
    """Encode the pairs and cut the responses so that no row exceeds `max_length` tokens.

    A pair is dropped where its prompt alone fills `max_length`: nothing of its responses would be left.
    It counts as truncated where at least one of its responses lost tokens.
    """
    encoded = [
        TokenPair(
            encode(tokenizer, pair.prompt, pair.chosen, pair.chosen_finished),
            encode(tokenizer, pair.prompt, pair.rejected, pair.rejected_finished),
        )
        for pair in pairs
    ]
    kept = [pair for pair in encoded if len(pair.chosen.prompt) < max_length]
    return Examples(
        pairs=tuple(
            TokenPair(_cut(pair.chosen, max_length), _cut(pair.rejected, max_length)) for pair in kept
        ),
        dropped=len(encoded) - len(kept),
        truncated=sum(pair.length > max_length for pair in kept),
    )


def training_order(lengths: Sequence[int], steps: int, pairs_per_step: int, seed: int) -> list[int]:
    """Which pair is trained on when: `steps * pairs_per_step` indices into `lengths`.

    Every epoch is a new random order of all pairs; epochs follow each other without a gap, so that each
    step sees `pairs_per_step` pairs even where the epoch ends inside it. Within a step the longest pairs
    come first: micro-batches then hold rows of like length, and the step's gradient is the same.
    """
    rng = np.random.default_rng(seed)
    epochs = -(-steps * pairs_per_step // len(lengths))
    drawn = np.concatenate([rng.permutation(len(lengths)) for _ in range(epochs)]).tolist()
    return [
        index
        for start in range(0, steps * pairs_per_step, pairs_per_step)
        for index in sorted(drawn[start : start + pairs_per_step], key=lambda index: -lengths[index])
    ]


def _cut(row: Encoded, max_length: int) -> Encoded:
    return Encoded(row.prompt, row.response[: max_length - len(row.prompt)])
