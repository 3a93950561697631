"""The turns of a dialogue as data sets write them: message lists and HH-RLHF text, checked."""

import hashlib
import json
import re
from typing import Any

from harness.data.rows import Turn

Turns = tuple[Turn, ...]
"""Oldest first."""

EMPTY_ANSWER = "an answer is empty"
EMPTY_TURN = "a turn of the prompt is empty"
NOT_TEXT = "a text is not a string"
NOT_WRITABLE = "a text holds a NUL or half a surrogate pair"
NOT_TURNS = "a dialogue is not a list of role and content"
BEFORE_TURNS = "there is text before the first turn"
ROLES = "the roles do not alternate, from user to assistant"

_HH_TURN = re.compile(r"\n\n(Human|Assistant):")
_HH_ROLES = {"Human": "user", "Assistant": "assistant"}


class BadRow(ValueError):
    """A row cannot be used; `reason` says why, without the row's content, so that reasons can be counted."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def checked_text(value: object, if_empty: str) -> str:
    """A text that is not blank and that UTF-8 can hold.

    Raises:
        BadRow: it is not so; `if_empty` is the reason for a blank text.
    """
    if not isinstance(value, str):
        raise BadRow(NOT_TEXT)
    if not value.strip():
        raise BadRow(if_empty)
    if "\0" in value or not _is_unicode(value):
        raise BadRow(NOT_WRITABLE)
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def message_turns(value: object) -> Turns:
    """A list of {"role", "content"} as turns, roles unchecked; what else a message holds is left out.

    Raises:
        BadRow: it is no such list.
    """
    if not isinstance(value, list) or not value:
        raise BadRow(NOT_TURNS)
    return tuple(_message(item) for item in value)


def _message(item: Any) -> Turn:
    if not isinstance(item, dict) or not isinstance(item.get("role"), str) or "content" not in item:
        raise BadRow(NOT_TURNS)
    if not isinstance(item["content"], str):
        raise BadRow(NOT_TEXT)
    return {"role": item["role"], "content": item["content"]}


def hh_turns(text: object) -> Turns:
    r"""HH-RLHF text, "\n\nHuman: ...\n\nAssistant: ...", as turns without the blanks around them.

    Raises:
        BadRow: it is no string, or does not begin with a turn.
    """
    if not isinstance(text, str):
        raise BadRow(NOT_TEXT)
    before, *pieces = _HH_TURN.split(text)
    if before.strip() or not pieces:
        raise BadRow(BEFORE_TURNS)
    return tuple(
        {"role": _HH_ROLES[name], "content": content.strip()}
        for name, content in zip(pieces[::2], pieces[1::2], strict=True)
    )


def checked_prompt(turns: Turns) -> Turns:
    """Turns that a model can answer: a system turn or none, then user and assistant in turn, user last.

    Raises:
        BadRow: they are not so.
    """
    roles = [turn["role"] for turn in turns]
    talk = roles[1:] if roles[:1] == ["system"] else roles
    if talk != ["user" if place % 2 == 0 else "assistant" for place in range(len(talk) | 1)]:
        raise BadRow(ROLES)
    for turn in turns:
        checked_text(turn["content"], EMPTY_TURN)
    return turns


def split_dialogue(turns: Turns) -> tuple[Turns, str]:
    """The prompt's turns and the answer that ends the dialogue.

    Raises:
        BadRow: the roles do not alternate, the last turn is not the assistant's, or a turn is empty.
    """
    if not turns or turns[-1]["role"] != "assistant":
        raise BadRow(ROLES)
    return checked_prompt(turns[:-1]), checked_text(turns[-1]["content"], EMPTY_ANSWER)


def single(text: object) -> Turns:
    """A prompt of one user turn.

    Raises:
        BadRow: the text is no string, or blank.
    """
    return ({"role": "user", "content": checked_text(text, EMPTY_TURN)},)


def prompt_id(turns: Turns) -> str:
    """16 hex digits that depend on the roles and contents only: the same in every file and run."""
    content = [[turn["role"], turn["content"]] for turn in turns]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
