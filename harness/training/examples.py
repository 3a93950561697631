"""From preference pairs to the token rows that are trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.data.rows import PreferencePair
from harness.data.tokens import Encoded
from harness.errors import BadInput
from harness.models.chat import encode


@dataclass(frozen=True)
class TokenPair:
    """The chosen and the rejected row of one pair; both begin with the same prompt tokens.

    The other fields say which pair it is: its prompt, and which of its responses these are.
    """

    chosen: Encoded
    rejected: Encoded
    prompt_id: str
    chosen_index: int
    rejected_index: int

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

    @property
    def rows(self) -> list[Encoded]:
        """Each distinct row once."""
        return list(dict.fromkeys(row for pair in self.pairs for row in (pair.chosen, pair.rejected)))


def make_examples(tokenizer: Tokenizer, pairs: Sequence[PreferencePair], max_length: int) -> Examples:
    """Encode the pairs and cut the responses so that no row exceeds `max_length` tokens.

    A pair is dropped where its prompt alone fills `max_length`: nothing of its responses would be left.
    It counts as truncated where at least one of its responses lost tokens.

    Raises:
        BadInput: a pair teaches nothing: its chosen response is empty, or both rows are the same once cut;
            or no pair is left after those that are dropped, or there was none.
    """
    if not pairs:
        raise BadInput("pairs: there is none to train on. Give at least one.")
    for pair in pairs:
        _check_written(pair)
    encoded = [_encoded(tokenizer, pair) for pair in pairs]
    kept = [pair for pair in encoded if len(pair.chosen.prompt) < max_length]
    if not kept:
        raise BadInput(
            f"training.max_length: no pair is left of {len(pairs)}, as every prompt fills {max_length} "
            "tokens. Give shorter prompts or a larger max_length."
        )
    cut = tuple(_cut(pair, max_length) for pair in kept)
    for each in cut:
        _check_unlike(each, max_length)
    return Examples(
        pairs=cut,
        dropped=len(encoded) - len(kept),
        truncated=sum(pair.length > max_length for pair in kept),
    )


def pair_name(pair: PreferencePair | TokenPair) -> str:
    """Which pair it is, for messages."""
    return f"prompt '{pair.prompt_id}', chosen response {pair.chosen_index}, rejected {pair.rejected_index}"


def _check_written(pair: PreferencePair) -> None:
    if not pair.chosen.strip():
        raise BadInput(f"pairs: {pair_name(pair)}: the chosen response is empty. Leave the pair out.")


def _check_unlike(pair: TokenPair, max_length: int) -> None:
    if pair.chosen == pair.rejected:
        raise BadInput(
            f"pairs: {pair_name(pair)}: both responses are the same within max_length ({max_length}). "
            "Leave the pair out."
        )


def _encoded(tokenizer: Tokenizer, pair: PreferencePair) -> TokenPair:
    return TokenPair(
        encode(tokenizer, pair.turns, pair.chosen, pair.chosen_finished),
        encode(tokenizer, pair.turns, pair.rejected, pair.rejected_finished),
        pair.prompt_id,
        pair.chosen_index,
        pair.rejected_index,
    )


def _cut(pair: TokenPair, max_length: int) -> TokenPair:
    chosen, rejected = (
        Encoded(row.prompt, row.response[: max_length - len(row.prompt)])
        for row in (pair.chosen, pair.rejected)
    )
    return replace(pair, chosen=chosen, rejected=rejected)
