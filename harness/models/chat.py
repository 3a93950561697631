"""The one renderer: how a prompt and a response become text and tokens, everywhere."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.data.rows import Turn, conversation
from harness.data.tokens import Encoded
from harness.errors import BadInput

Conversation: TypeAlias = str | Sequence[Turn]
"""What comes before a response: the turns, or the text of a single turn of the user's."""


@dataclass(frozen=True)
class Example:
    """One whole response to what comes before it; `prompt_id` names it in messages."""

    prompt_id: str
    prompt: Conversation
    response: str


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
    rendered: str = tokenizer.apply_chat_template(
        turns_of(prompt), tokenize=False, add_generation_prompt=True
    )
    return rendered


def turns_of(prompt: Conversation) -> list[Turn]:
    """A conversation as a list of turns."""
    return conversation((), prompt) if isinstance(prompt, str) else list(prompt)


def prompt_ids(tokenizer: Tokenizer, prompt: Conversation) -> tuple[int, ...]:
    """Token ids of the rendered prompt. The template writes the special tokens; none are added."""
    return _ids(tokenizer, render_prompt(tokenizer, prompt))


def encode(tokenizer: Tokenizer, prompt: Conversation, response: str, finished: bool) -> Encoded:
    """Tokens of a prompt and of a response to it.

    The two are tokenised apart: the prompt's tokens are then the same for all its responses, and the
    same as when the response was sampled. The response ends in `end_of_turn` only where the model did
    finish; a response cut off at the length limit must not be taught as a complete one.
    """
    return Encoded(prompt_ids(tokenizer, prompt), response_ids(tokenizer, response, finished))


def response_ids(tokenizer: Tokenizer, response: str, finished: bool) -> tuple[int, ...]:
    """Token ids of a response, as in `encode`."""
    end = (end_of_turn(tokenizer),) if finished else ()
    return _ids(tokenizer, response) + end


def end_of_turn(tokenizer: Tokenizer) -> int:
    """The id of the token that ends a finished response.

    It is the one that the chat template writes after an assistant's turn (`<|eot_id|>`, `<|im_end|>`,
    `<end_of_turn>`), which need not be the tokenizer's end-of-sequence; that one, where the template writes
    none. A model that is taught another end than its template's learns to talk on.
    """
    return _end_of_turn(tokenizer, tokenizer.chat_template)


def end_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The tokens at which sampling stops: `end_of_turn`, and end-of-sequence where that is another."""
    return tuple(dict.fromkeys((end_of_turn(tokenizer), tokenizer.eos_token_id)))


def after_answer(tokenizer: Tokenizer) -> str:
    """What the chat template writes after a last turn of the assistant's: its end, and blanks."""
    return _after_answer(tokenizer, tokenizer.chat_template)


@lru_cache(maxsize=16)
def _end_of_turn(tokenizer: Tokenizer, template: str | None) -> int:
    tail = _after_answer(tokenizer, template).lstrip()
    found = [(len(str(t)), at) for at, t in tokenizer.added_tokens_decoder.items() if tail.startswith(str(t))]
    return int(max(found)[1] if found else tokenizer.eos_token_id)


@lru_cache(maxsize=16)
def _after_answer(tokenizer: Tokenizer, template: str | None) -> str:
    mark = "answer"
    turns = [*turns_of("question"), {"role": "assistant", "content": mark}]
    try:
        text: str = tokenizer.apply_chat_template(turns, chat_template=template, tokenize=False)
    except (TemplateError, ValueError):  # it refuses such turns, or there is none
        return ""
    _, found, after = text.rpartition(mark)
    return after if found else ""


def template_hash(tokenizer: Tokenizer) -> str:
    """Names the chat template (16 hex digits): results under different templates do not compare."""
    return hashlib.sha256((tokenizer.chat_template or "").encode()).hexdigest()[:16]


def _ids(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    return tuple(
        _IDS.setdefault(each, each) for each in tokenizer(text, add_special_tokens=False)["input_ids"]
    )


_IDS: dict[int, int] = {}
"""One object for each id that was met: a row of tokens takes 8 bytes for each then, and 40 otherwise."""
