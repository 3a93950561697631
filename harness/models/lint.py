"""Token lint: what is wrong between a chat template and the rows of a recipe, found before any GPU time.

Errors, which must be mended:

- refused: the template refuses a conversation (a system turn, or roles that do not alternate);
- lost: the text of a turn does not appear in the rendered prompt;
- date: the same conversation is rendered differently on another day;
- bos: a rendered prompt begins with the beginning-of-sequence token twice, or has it again later;
- marks: the text of a response holds a special token, such as an end of turn, of its own;
- end: a row holds another end-of-turn token than the one that it ends in;
- prompt: the rendered prompt is not the beginning of the rendered prompt with its response;
- changed: the template writes another text than the response.

Warnings, with which rows are still equal wherever this program makes them, but may differ elsewhere:

- no-bos: the tokenizer begins plain text with a token that the template leaves out;
- no-end: the template writes no end-of-turn token, so that end-of-sequence stands for it;
- pad: padding is the end-of-turn token; a tool that masks padding by its id never teaches the end;
- inserted: the template writes words that are in no turn, such as a system prompt of its own;
- stripped: the template strips blanks around a turn's text or a response;
- before, after: the template writes something between the start of the turn and the response, or between
  the response and the end of the turn;
- markup: the text of a prompt's turn holds a special token of its own;
- boundary: prompt and response tokenised together give other tokens than apart.

Each finding is one sentence with the first prompt that shows it, how many others do, and the remedy.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from textwrap import shorten
from unittest.mock import patch

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.models.chat import (
    Example,
    after_answer,
    encode,
    end_of_turn,
    render_prompt,
    template_hash,
    turns_of,
)

_DAYS = (datetime(2001, 2, 3), datetime(2002, 3, 4))
_ROLES = {"system", "user", "assistant", "model", "human", "inst", "sys", "instruction", "response"}
OTHER_TEMPLATE = "Set model.template to one that does not"
TAKES_THEM = "Leave such turns out, or set model.template to one that takes them"


@dataclass(frozen=True)
class Lint:
    """The findings, and what the tokenizer was found to be: its template's hash and its end-of-turn token."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    template: str
    end_of_turn: str


@dataclass(frozen=True)
class _Row:
    """An example as it is rendered.

    `prompt` is what sampling sees. `answer` is what the template writes after it of the response, up to the
    end of the turn; None where the rendered conversation `whole` does not begin with `prompt`.
    """

    example: Example
    prompt: str
    whole: str
    answer: str | None


def lint(tokenizer: Tokenizer, examples: Sequence[Example]) -> Lint:
    """Check a tokenizer's template on some examples: a few hundred show what all would.

    Raises:
        BadInput: the tokenizer has no chat template.
    """
    rows, refused = [], []
    for example in examples:
        try:
            rows.append(_rendered(tokenizer, example))
        except TemplateError as error:
            refused.append((example, f"the template refuses the conversation: {error}. {TAKES_THEM}."))
    errors = (*_sentences(refused), *_sentences(_found(tokenizer, rows, _ERRORS)))
    warnings = (*_of_the_template(tokenizer), *_sentences(_found(tokenizer, rows, _WARNINGS)))
    return Lint(errors, warnings, template_hash(tokenizer), _names(tokenizer, {end_of_turn(tokenizer)}))


def _rendered(tokenizer: Tokenizer, example: Example) -> _Row:
    prompt = render_prompt(tokenizer, example.prompt)
    turns = [*turns_of(example.prompt), {"role": "assistant", "content": example.response}]
    whole: str = tokenizer.apply_chat_template(turns, tokenize=False)
    body = whole.removeprefix(prompt).removesuffix(after_answer(tokenizer))
    return _Row(example, prompt, whole, body if whole.startswith(prompt) else None)


Check = Callable[[Tokenizer, _Row], str | None]
"""A sentence without its place where a row shows something, else None."""


def _found(
    tokenizer: Tokenizer, rows: Sequence[_Row], checks: Sequence[Check]
) -> Iterator[tuple[Example, str]]:
    for check in checks:
        for row in rows:
            sentence = check(tokenizer, row)
            if sentence is not None:
                yield row.example, sentence


def _sentences(found: Iterable[tuple[Example, str]]) -> list[str]:
    """Each sentence once, with the first prompt that shows it and how many others do."""
    shown: dict[str, dict[str, None]] = {}
    for example, sentence in found:
        shown.setdefault(sentence, {})[example.prompt_id] = None
    return [
        f"prompt '{next(iter(ids))}'"
        + (f" and {len(ids) - 1} more" if len(ids) > 1 else "")
        + f": {sentence}"
        for sentence, ids in shown.items()
    ]


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _own_marks(tokenizer: Tokenizer, text: str) -> set[int]:
    """The special tokens in a text, but for the one that stands for unknown words."""
    special: set[int] = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    return special & set(_ids(tokenizer, text))


def _names(tokenizer: Tokenizer, ids: set[int]) -> str:
    return ", ".join(tokenizer.convert_ids_to_tokens(sorted(ids)))


def _lost(tokenizer: Tokenizer, row: _Row) -> str | None:
    for turn in turns_of(row.example.prompt):
        if turn["content"].strip() not in row.prompt:
            return f"the template leaves out, or changes, a turn of the {turn['role']}'s. {OTHER_TEMPLATE}."
    return None


def _date(tokenizer: Tokenizer, row: _Row) -> str | None:
    rendered = []
    for day in _DAYS:
        with patch("transformers.utils.chat_template_utils.datetime") as clock:
            clock.now.return_value = day
            rendered.append(render_prompt(tokenizer, row.example.prompt))
    if rendered[0] == rendered[1]:
        return None
    return f"the template writes today's date, so that no run repeats another. {OTHER_TEMPLATE}."


def _bos(tokenizer: Tokenizer, row: _Row) -> str | None:
    bos, count = tokenizer.bos_token_id, _ids(tokenizer, row.prompt).count(tokenizer.bos_token_id)
    if bos in (None, tokenizer.eos_token_id, end_of_turn(tokenizer)) or count <= 1:
        return None
    return (
        f"the rendered prompt holds {tokenizer.bos_token} {count} times. Have the template write it once, at "
        "the start, and the data not at all."
    )


def _marks(tokenizer: Tokenizer, row: _Row) -> str | None:
    marks = _own_marks(tokenizer, row.example.response) - {end_of_turn(tokenizer)}
    if not marks:
        return None
    return f"the response's text holds {_names(tokenizer, marks)}. Cut it out of the data."


def _end(tokenizer: Tokenizer, row: _Row) -> str | None:
    end = end_of_turn(tokenizer)
    count = encode(tokenizer, row.example.prompt, row.example.response, finished=True).response.count(end)
    if count == 1:
        return None
    return (
        f"the trained response must end in one {_names(tokenizer, {end})}, and holds {count}. Cut it out of "
        "the response's text: the encoding writes it."
    )


def _prompt(tokenizer: Tokenizer, row: _Row) -> str | None:
    if row.answer is not None:
        return None
    pairs = zip(row.prompt, row.whole, strict=False)
    at = next((at for at, (ours, theirs) in enumerate(pairs) if ours != theirs), len(row.whole))
    return (
        f"the generation prompt is not how the template begins an answer: {row.prompt[at : at + 30]!r} where "
        f"that has {row.whole[at : at + 30]!r}. Set model.template to one that begins both alike."
    )


def _changed(tokenizer: Tokenizer, row: _Row) -> str | None:
    if row.answer is None or row.answer.rstrip().endswith(row.example.response.strip()):
        return None
    return f"the template changes the response's text. {OTHER_TEMPLATE}."


_ERRORS: tuple[Check, ...] = (_lost, _date, _bos, _marks, _end, _prompt, _changed)


def _stripped(tokenizer: Tokenizer, row: _Row) -> str | None:
    turns, response = turns_of(row.example.prompt), row.example.response
    cut = any(turn["content"] not in row.prompt for turn in turns)
    if not cut and (row.answer is None or row.answer.endswith(response)):
        return None
    return "the template strips blanks that the data has; trained responses keep theirs. Strip the data."


def _before(tokenizer: Tokenizer, row: _Row) -> str | None:
    if row.answer is None or _changed(tokenizer, row):
        return None
    response, answer = row.example.response, row.answer
    if not answer.endswith(response):
        response, answer = response.strip(), answer.rstrip()
    before = answer.removesuffix(response)
    if not _ids(tokenizer, before):
        return None
    return (
        f"the template writes {before!r} before an answer that is given, and not before one that is to come; "
        "trained rows do as sampling does. Let model.template write both alike, to match other tools."
    )


def _inserted(tokenizer: Tokenizer, row: _Row) -> str | None:
    text = row.prompt
    for turn in turns_of(row.example.prompt):
        text = text.replace(turn["content"].strip(), " ", 1)
    for token in tokenizer.all_special_tokens:
        text = text.replace(token, " ")
    words = [word for word in re.findall(r"[^\W_]+", text) if word.lower() not in _ROLES]
    if len(set(words)) < 3:
        return None
    return (
        f"the template adds words of its own: {shorten(' '.join(words), 80)!r}. Nothing is wrong if they are "
        "wanted; else give a system turn, or set model.template."
    )


def _markup(tokenizer: Tokenizer, row: _Row) -> str | None:
    turns = turns_of(row.example.prompt)
    marks = set().union(*(_own_marks(tokenizer, turn["content"]) for turn in turns))
    if not marks:
        return None
    return f"a turn's text holds {_names(tokenizer, marks)}, which the model reads as a mark. Clean the data."


def _boundary(tokenizer: Tokenizer, row: _Row) -> str | None:
    apart = encode(tokenizer, row.example.prompt, row.example.response, finished=False)
    if tuple(_ids(tokenizer, row.prompt + row.example.response)) == apart.prompt + apart.response:
        return None
    return (
        "prompt and response tokenised together give other tokens than apart, as sampling gives them. Have "
        "the generation prompt end in a special token, and strip the responses."
    )


def _no_bos(tokenizer: Tokenizer, row: _Row) -> str | None:
    bos = tokenizer.bos_token_id
    if bos is None or bos not in tokenizer("a")["input_ids"] or bos in _ids(tokenizer, row.prompt):
        return None
    return (
        f"the tokenizer begins plain text with {tokenizer.bos_token}, and the template does not write it. "
        "Set model.template to one that begins with {{ bos_token }}, if the model was trained so."
    )


_WARNINGS: tuple[Check, ...] = (_no_bos, _inserted, _stripped, _before, _markup, _boundary)


def _of_the_template(tokenizer: Tokenizer) -> Iterator[str]:
    end, tail = end_of_turn(tokenizer), after_answer(tokenizer)
    token = _names(tokenizer, {end})
    blank, written, _ = tail.partition(token)
    if not written:
        yield f"chat template: writes no end-of-turn token; {token} stands for it in training and sampling."
    elif _ids(tokenizer, blank):
        yield f"chat template: writes {blank!r} between an answer and {token}; trained rows do not."
    if tokenizer.pad_token_id == end:
        yield (
            f"tokenizer: pads with {token}, which ends a turn. Rows are masked by place here, so it is "
            "trained; other tools mask by id. Give the tokenizer a pad_token of its own."
        )
