"""`harness pool`: what the data of a recipe's pool hold, and what is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import assert_never

from rich.console import Console
from rich.table import Table

from harness.commands.inputs import files_of
from harness.commands.places import Places
from harness.data.hub import HubDataset
from harness.data.official import read_official
from harness.data.original import OriginalData, read_original
from harness.data.overlap import SIZES, find_overlaps
from harness.data.report import DataReport, Spread, make_report, write_histograms
from harness.data.rows import Prompt
from harness.data.split import split
from harness.errors import BadInput
from harness.plan.draw import DataFile
from harness.recipe.evaluation import (
    AtlasHeldOutPrompts,
    EvaluationPrompts,
    FilePrompts,
    HeldOutPrompts,
    OfficialPrompts,
)
from harness.recipe.load import load_recipe
from harness.recipe.pool import DatasetPrompts
from harness.recipe.sources import Source

SHOWN = 5
"""Line numbers of each reason, and overlapping prompts, that are named."""

Texts = Mapping[str, str]
"""Prompt id -> the text of all its turns, whoever speaks."""


def show_pool(places: Places, picture: Path | None, console: Console) -> None:
    """Read the data of a recipe's pool and print what they are; nothing else is run.

    Raises:
        BadInput: the pool is not made from data, or they cannot be read.
    """
    recipe = load_recipe(places.recipe)
    source = recipe.pool.prompts
    if not isinstance(source, DatasetPrompts):
        raise BadInput(
            f"{places.recipe}: pool.prompts: '{source.kind}' reads no data; its prompts are made. "
            "`harness plan` shows how many."
        )
    files = files_of(recipe, places)
    with console.status("reading the data"):
        data = _read(source, files)
    report = make_report(data)
    _say(console, [f"{report.place} ({report.layout})"])
    console.print(_figures(report))
    _say(console, _problems(report))
    usable = _short(data.as_prompts, source.max_characters)
    if source.max_characters is not None:
        left_out = len(data.prompts) - len(usable)
        _say(
            console, [f"{left_out:,} prompts of more than {source.max_characters:,} characters are left out."]
        )
    with console.status("comparing with the evaluation prompts"):
        halves = split(usable, source.held_out, seed=0)
        evaluation = _evaluation(recipe.evaluation.alpaca_eval.prompts, halves.evaluation, files)
        overlap = list(_overlap(_texts(halves.training), _texts(evaluation)))
    _say(console, overlap)
    if picture is not None:
        write_histograms(data, picture)
        _say(console, [f"picture: {picture}"])


def _say(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _read(source: Source, files: Mapping[str, DataFile]) -> OriginalData:
    place: Path | HubDataset
    if source.revision is None:
        place = files[source.path].path
    else:
        place = HubDataset(source.path, source.revision, source.split, source.config)
    return read_original(place, source.format, strict=source.strict)


def _figures(report: DataReport) -> Table:
    table = Table(show_header=False)
    for name, value in _rows(report):
        table.add_row(name, value)
    return table


def _rows(report: DataReport) -> Iterator[tuple[str, str]]:
    yield "rows read", f"{report.rows:,}"
    yield "prompts (breadth)", f"{report.prompts:,}"
    yield "turns in a prompt", _counts(report.turns_per_prompt)
    yield "responses", f"{report.responses:,}"
    yield "responses to a prompt", _counts(report.responses_per_prompt)
    yield "pairs with different scores", f"{report.pairs:,}"
    yield "pairs of a prompt (depth)", _counts(report.pairs_per_prompt)
    yield "responses without a score", f"{report.unscored:,}"
    yield "scores", _spread(report.scores)
    yield "best minus worst score", _spread(report.score_gaps)
    yield "characters of a prompt", _spread(report.prompt_characters)
    yield "characters of a response", _spread(report.response_characters)
    yield "rows of a prompt seen before", f"{report.repeated_rows:,}"
    yield "responses seen before", f"{report.repeated_answers:,}"
    yield "responses scored differently", f"{report.rescored_answers:,}"


def _counts(counts: Mapping[int, int]) -> str:
    """`2: 1,753, 3: 10`: how many prompts have how many."""
    shown = ", ".join(f"{number}: {prompts:,}" for number, prompts in sorted(counts.items())[:8])
    return shown + (", ..." if len(counts) > 8 else "")


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return (
        f"{spread.smallest:g} to {spread.largest:g}, median {spread.median:g}, 95th percentile {spread.p95:g}"
    )


def _problems(report: DataReport) -> Iterator[str]:
    """Every reason for which rows or answers are left out, with the first lines."""
    for what, reasons in (("rows", report.malformed), ("answers", report.left_out)):
        if reasons:
            yield f"{sum(len(lines) for lines in reasons.values()):,} {what} left out:"
        for reason, lines in reasons.items():
            more = ", ..." if len(lines) > SHOWN else ""
            yield f"  {len(lines):>6,}  {reason}: line {', '.join(map(str, lines[:SHOWN]))}{more}"
    if not report.malformed and not report.left_out:
        yield "Every row can be used."


def _evaluation(
    table: EvaluationPrompts, apart: Sequence[Prompt], files: Mapping[str, DataFile]
) -> Sequence[Prompt]:
    """The evaluation prompts; `apart` are those that the pool's dataset sets apart."""
    match table:
        case HeldOutPrompts():
            return apart[: table.count]
        case FilePrompts():
            return _read(table, files).as_prompts[: table.count]
        case OfficialPrompts():
            return read_official(files[table.path].path if table.path else None, table.revision).as_prompts
        case AtlasHeldOutPrompts():
            raise AssertionError("load_recipe refuses the world's prompts beside a dataset")
        case _:
            assert_never(table)


def _short(prompts: Sequence[Prompt], longest: int | None) -> list[Prompt]:
    return [prompt for prompt in prompts if longest is None or prompt.characters <= longest]


def _texts(prompts: Iterable[Prompt]) -> Texts:
    return {prompt.id: "\n".join(turn["content"] for turn in prompt.turns) for prompt in prompts}


def _overlap(training: Texts, evaluation: Texts) -> Iterator[str]:
    """Decontamination: prompts of the pool that share a run of words with an evaluation prompt."""
    found = find_overlaps(training, evaluation)
    touched = len({overlap.evaluation for overlap in found})
    yield (
        f"Overlap with the evaluation prompts: {len({overlap.training for overlap in found}):,} of "
        f"{len(training):,} prompts share {' or '.join(map(str, sorted(SIZES)))} words in a row, or all of "
        f"them, with {touched:,} of {len(evaluation):,}."
    )
    for overlap in found[:SHOWN]:
        yield f"  {overlap.training} and {overlap.evaluation}: '{overlap.shared[:80]}'"
