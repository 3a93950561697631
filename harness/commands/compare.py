"""`harness compare A B`: what got better, worse or costlier from one board to another."""

import io
import json
import math
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from harness.commands.words import counted
from harness.errors import BadInput, Regression
from harness.leaderboard.compare import COST, Change, Comparison, Side, side_of_records, side_of_table
from harness.leaderboard.compare import compare as compare_sides
from harness.leaderboard.gates import failures, parse_gate
from harness.leaderboard.record import NoNumber, read_records, refuse_constant, refuse_newer
from harness.leaderboard.render import as_plain
from harness.leaderboard.scores import WIN_RATE
from harness.leaderboard.text import figure, plain

RECORDS, TABLE = "records", "table.json"
SHOWN_COSTS = {COST + field for field in ("wall_s", "flops", "judge_usd")}
NOISE = "not told apart"
STYLES = {"better": "green", "worse": "red"}


def compare(before: str, after: str, fail_if: Sequence[str], as_json: bool, console: Console) -> None:
    """Compare two boards, each a folder, a table.json, or REV:PATH of either in a git commit.

    Raises:
        BadInput: a board or a condition is wrong.
        Regression: a row meets a condition of `fail_if`.
    """
    gates = [parse_gate(text) for text in fail_if]
    comparison = compare_sides(_side(before), _side(after))
    if as_json:
        console.out(json.dumps(as_plain(comparison), indent=1), highlight=False)
    else:
        _print(comparison, console)
    if found := failures(gates, comparison):
        raise Regression("\n".join(found))


def _side(where: str) -> Side:
    path = Path(where)
    revision, colon, inner = where.partition(":")
    if not colon or path.exists() or revision.startswith("-"):  # which git would take for an option
        return _read(path, where)
    with _checked_out(revision, inner, where) as folder:
        return _read(folder / inner, where)


def _read(path: Path, where: str) -> Side:
    """The board at `path`; records say more than a table, so they come first."""
    for folder in (path / RECORDS, path):
        if any(folder.glob("*.*.json")):
            return side_of_records(read_records(folder))
    for file in (path, path / TABLE):
        if file.is_file():
            return _table(file, where)
    raise BadInput(
        f"{where}: holds no board: neither {RECORDS}/ nor {TABLE}. Name a folder of leaderboards/."
    )


def _table(file: Path, where: str) -> Side:
    remedy = "Make it again: harness leaderboard"
    try:
        text = file.read_text(encoding="utf-8")
        table = json.loads(text, parse_constant=refuse_constant, parse_float=_finite)
        refuse_newer(table, where)
        return side_of_table(table)
    except NoNumber as error:  # no condition holds for a difference to it, so every gate would pass
        raise BadInput(f"{where}: holds {error}, which is no number. {remedy}") from None
    except (OSError, ValueError, RecursionError):
        raise BadInput(f"{where}: is no {TABLE} of a board. {remedy}") from None


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise NoNumber(text)
    return value


@contextmanager
def _checked_out(revision: str, inner: str, where: str) -> Iterator[Path]:
    """A temporary folder with `inner`, a path from the repository's root, as it is in `revision`."""
    with tempfile.TemporaryDirectory() as folder:
        archive = _git("archive", "--format=zip", revision, "--", inner, where=where)
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            files.extractall(folder)  # keeps to the folder, and makes no links, on every Python
        yield Path(folder)


def _git(*words: str, where: str) -> bytes:
    try:
        root = subprocess.run(
            ["git", "rev-parse", "--show-toplevel"], capture_output=True, check=True, text=True
        )
        done = subprocess.run(["git", *words], cwd=root.stdout.strip(), capture_output=True, check=True)
    except FileNotFoundError:
        raise BadInput(f"{where}: is no file, and git is not installed to look for a commit.") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr if isinstance(error.stderr, str) else error.stderr.decode(errors="replace")
        reason = said.strip().splitlines()[-1] if said.strip() else "git failed"
        raise BadInput(f"{where}: is no file and no REVISION:PATH of this repository: {reason}") from None
    return done.stdout


def _print(comparison: Comparison, console: Console) -> None:
    for line in comparison.settings:
        console.print(f"set otherwise: {escape(plain(line))}", highlight=False, soft_wrap=True)
    for word, found in (("gone", comparison.gone), ("new", comparison.new)):
        for row, metric in found:
            line = f"{word}: {plain(row)} {plain(metric or '')}".rstrip()
            console.print(line, highlight=False, markup=False)
    for row in comparison.incomplete:
        console.print(
            f"incomplete after: {escape(plain(row))}, so it is compared on what there is", highlight=False
        )
    moved = [change for change in comparison.changes if change.difference and _of_interest(change)]
    told = [change for change in moved if change.verdict != NOISE or change.metric == WIN_RATE]
    if told:
        console.print(_grid(told))
    for line in _summary(moved, told):
        console.print(line, highlight=False, soft_wrap=True)


def _of_interest(change: Change) -> bool:
    return not change.metric.startswith(COST) or change.metric in SHOWN_COSTS


def _grid(changes: Sequence[Change]) -> Grid:
    grid = Grid()
    for name in ("method", "metric"):
        grid.add_column(name, overflow="fold")
    for name in ("before", "after", "change"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("verdict")
    for change in changes:
        costlier = change.metric.startswith(COST) and change.verdict == "worse"
        grid.add_row(
            escape(plain(change.row)),
            escape(plain(change.metric)),
            figure(change.before),
            figure(change.after),
            figure(change.difference, change.ci_high, sign=True),
            "costlier" if costlier else change.verdict,
            style=STYLES.get(change.verdict),
        )
    return grid


def _summary(moved: Sequence[Change], told: Sequence[Change]) -> Iterator[str]:
    if not moved:
        yield "No score and no cost changed."
        return
    if len(moved) > len(told):
        yield f"Not shown: {counted(len(moved) - len(told), 'change')} within the noise. All: --json"
    yield "Each interval holds 95 % for itself: of many rows, some seem to change by chance."
    if unpaired := [change for change in moved if not change.paired and change.ci_high is not None]:
        yield (
            f"{len(unpaired)} of {len(moved)} are unpaired, and wider for it: the boards do not hold the "
            "same prompts and seeds, or one is a table without records."
        )
