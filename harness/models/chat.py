"""The one renderer: how a prompt and a response become text and tokens, everywhere."""

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.data.rows import Turn, conversation
from harness.data.tokens import Encoded
from harness.errors import BadInput

Conversation: TypeAlias = str | Sequence[Turn]
"""What comes before a response: the turns, or the text of a single turn of the user's."""


def render_prompt(tokenizer: Tokenizer, prompt: Conversation) -> str:
    """The prompt as the model sees it: the turns so far and the start of the assistant's turn.

    Raises:
        BadInput: the tokenizer has no chat template.
    """
    if tokenizer.chat_template is None:
        raise BadInput(
            f"{tokenizer.name_or_path}: the tokenizer has no chat template. "
            "Use an instruction-tuned model, or add chat_template to its tokenizer_config.json."
        )
    turns = conversation((), prompt) if isinstance(prompt, str) else list(prompt)
    rendered: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return rendered


def prompt_ids(tokenizer: Tokenizer, prompt: Conversation) -> tuple[int, ...]:
    """Token ids of the rendered prompt. The template writes the special tokens; none are added."""
    return _ids(tokenizer, render_prompt(tokenizer, prompt))


def encode(tokenizer: Tokenizer, prompt: Conversation, response: str, finished: bool) -> Encoded:
    """Tokens of a prompt and of a response to it.

    The two are tokenised apart: the prompt's tokens are then the same for all its responses, and the
    same as when the response was sampled. The response ends in end-of-sequence only where the model
    did finish; a response cut off at the length limit must not be taught as a complete one.
    """
    end = (tokenizer.eos_token_id,) if finished else ()
    return Encoded(prompt_ids(tokenizer, prompt), _ids(tokenizer, response) + end)


def template_hash(tokenizer: Tokenizer) -> str:
    """Names the chat template (16 hex digits): results under different templates do not compare."""
    return hashlib.sha256((tokenizer.chat_template or "").encode()).hexdigest()[:16]


def _ids(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
