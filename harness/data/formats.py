"""The formats of preference data by name, and which one the first rows of a file have.

Each is as its data set or library documents it: TRL's dataset formats; `Anthropic/hh-rlhf`;
`openbmb/UltraFeedback` and `HuggingFaceH4/ultrafeedback_binarized`; `PKU-Alignment/PKU-SafeRLHF`; PandaLM's
`testset-v1.json`; alpaca_eval's `model_outputs.json` and `annotations.json`; and our own scored pool.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.data import readers
from harness.data.readers import Example, Row
from harness.errors import BadInput

MAY_BE_ANSWERS = (
    "chosen", "rejected", "response", "completion", "output", "answer", "messages", "conversation",
)  # fmt: skip
"""Columns that begin so may hold answers: a row that has one is not read as a prompt alone."""


@dataclass(frozen=True)
class Layout:
    """How one of its rows is read, and by what the layout is known (None: by its name only)."""

    read: Callable[[Row], Example]
    fits: Callable[[Row], bool] | None = None


def read_row(row: Row, layout: str) -> Example:
    """The prompt and answers of one row.

    Raises:
        BadRow: the row is malformed. Nothing else, whatever the row holds.
    """
    return LAYOUTS[layout].read(row)


def detect_layout(rows: Sequence[Row], place: str) -> str:
    """The one layout that the first rows have. A prompt alone tells no other rows' layout.

    Raises:
        BadInput: they have none, or several.
    """
    found = sorted({name for row in rows for name in _fitting(row)})
    if len(found) > 1 and "prompts" in found:
        found.remove("prompts")  # those rows lack what the others have
    if len(found) == 1:
        return found[0]
    names = sorted({str(column)[:40] for row in rows for column in row})
    columns = ", ".join(name if name.isprintable() else repr(name) for name in names[:40]) or "none"
    problem = f"may be any of {', '.join(found)}" if found else "have no known format"
    raise BadInput(
        f"{place}: the first rows {problem}. Columns found: {columns}. Name the format, one of: "
        f"{', '.join(LAYOUTS)}; docs/data.md shows each."
    )


def _fitting(row: Row) -> Iterable[str]:
    return (name for name, layout in LAYOUTS.items() if layout.fits is not None and layout.fits(row))


def _has(row: Row, **kinds: str) -> bool:
    """Whether all of these columns are there, each with a value of its kind in _KINDS."""
    return all(isinstance(row.get(column), _KINDS[kind]) for column, kind in kinds.items())


_KINDS: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "list": (list,),
    "prompt": (str, list),
    "number": (int, float, str),  # CSV files and some ratings hold numbers as text
}


def _is_hh(row: Row) -> bool:
    start = row.get("prompt") or row.get("chosen")
    is_text = _has(row, chosen="text", rejected="text")
    return is_text and isinstance(start, str) and start.startswith("\n\nHuman:")


def _is_prompt_only(row: Row) -> bool:
    is_prompt = _has(row, prompt="prompt") or _has(row, instruction="text") or _has(row, turns="list")
    return is_prompt and not any(str(column).startswith(MAY_BE_ANSWERS) for column in row)


def _is_scored_pool(row: Row) -> bool:
    return _has(row, responses="list") and (_has(row, prompt="prompt") or _has(row, turns="list"))


LAYOUTS: Mapping[str, Layout] = {
    "trl-explicit": Layout(
        readers.explicit,
        lambda row: _has(row, prompt="text", chosen="text", rejected="text") and not _is_hh(row),
    ),
    "trl-conversational": Layout(
        readers.conversational, lambda row: _has(row, prompt="list", chosen="list", rejected="list")
    ),
    "trl-implicit": Layout(
        readers.implicit,
        lambda row: _has(row, chosen="list", rejected="list") and row.get("prompt") is None,
    ),
    "hh-rlhf": Layout(readers.hh_rlhf, _is_hh),
    "ultrafeedback": Layout(
        readers.ultrafeedback, lambda row: _has(row, instruction="text", completions="list")
    ),
    "ultrafeedback-ratings": Layout(readers.ultrafeedback_ratings),
    "ultrafeedback-binarized": Layout(
        readers.implicit, lambda row: _has(row, prompt="text", chosen="list", rejected="list")
    ),
    "pku-saferlhf": Layout(
        readers.saferlhf,
        lambda row: _has(
            row, prompt="text", response_0="text", response_1="text", better_response_id="number"
        ),
    ),
    "pku-saferlhf-safer": Layout(readers.saferlhf_safer),
    "pandalm": Layout(
        readers.pandalm,
        lambda row: _has(row, instruction="text", response1="text", response2="text", annotator1="number"),
    ),
    "alpaca-eval-outputs": Layout(
        readers.alpaca_outputs, lambda row: _has(row, instruction="text", output="text")
    ),
    "alpaca-eval-annotations": Layout(
        readers.alpaca_annotations,
        lambda row: _has(row, instruction="text", output_1="text", output_2="text", preference="number"),
    ),
    "messages": Layout(
        readers.messages, lambda row: _has(row, messages="list") and row.get("chosen") is None
    ),
    "scored-pool": Layout(readers.scored_pool, _is_scored_pool),
    "prompts": Layout(readers.prompt_only, _is_prompt_only),
}
"""Name -> layout, in the order of docs/data.md."""
