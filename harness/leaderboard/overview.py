"""The page and the README above all boards, made from their table.json files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.leaderboard.board import marked_readme
from harness.leaderboard.figures import Mark
from harness.leaderboard.files import write_whole
from harness.leaderboard.headline import Standing, headline
from harness.leaderboard.page.charts import strip
from harness.leaderboard.page.render import render
from harness.leaderboard.rank import ALPHA
from harness.leaderboard.scores import WIN_RATE
from harness.leaderboard.text import markdown, number

TITLE = "Leaderboards"
TABLE = "table.json"


@dataclass(frozen=True)
class Entry:
    """What the overview says of one board; `folder` is its name beside the overview."""

    folder: str
    title: str
    baseline: str
    methods: int
    seeds: int
    detectable: float | None
    headline: list[str]
    gaps: list[Mark]
    earlier: bool


def make_overview(folder: Path) -> dict[str, str]:
    """File name -> text of README.md and index.html for the boards in `folder`.

    A board whose table cannot be read is left out. Raises BadInput for a README.md that cannot be used.
    """
    entries = [entry for path in sorted(folder.glob(f"*/{TABLE}")) if (entry := _entry(path)) is not None]
    return {
        "README.md": marked_readme(folder / "README.md", TITLE, _block(entries)),
        "index.html": render("overview.html.j2", entries=[(entry, strip(entry.gaps)) for entry in entries]),
    }


def write_overview(folder: Path) -> None:
    """Write both files of `make_overview`, each in one step."""
    for name, text in make_overview(folder).items():
        write_whole(folder / name, text)


def _entry(path: Path) -> Entry | None:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        gaps = [gap for row in table["rows"] if row["section"] == 1 and (gap := _gap(row)) is not None]
        signs = {gap.method: gap.sign for gap in gaps}
        rows = [
            Standing(row["method"], row["rank"], signs.get(row["method"]))
            for row in table["rows"]
            if row["section"] == 1
        ]
        return Entry(
            folder=path.parent.name,
            title=table["title"],
            baseline=table["baseline"],
            methods=len({row["method"] for row in table["rows"]}),
            seeds=len(table["seeds"]),
            detectable=table["smallest_detectable_difference"],
            headline=headline(rows, table["baseline"]),
            gaps=gaps,
            earlier=bool(table["recipe_changes"] or table["unrecorded"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _gap(row: dict[str, Any]) -> Mark | None:
    score = row["scores"][WIN_RATE]
    gap = score and score["difference"]
    if not gap:
        return None
    surely = gap["p_holm"] is not None and gap["p_holm"] < ALPHA
    sign = (1 if gap["mean"] > 0 else -1) if surely else 0
    return Mark(row["method"], gap["mean"], gap["ci_low"], gap["ci_high"], sign)


def _block(entries: Sequence[Entry]) -> str:
    lines = [
        "Each board is made from its `records/` by `harness leaderboard`. Open `index.html` for the pages.",
        "",
        "| board | methods | seeds | baseline | detectable difference, before Holm | what it found |",
        "| --- | ---: | ---: | --- | ---: | --- |",
    ]
    for entry in entries:
        marked = ["**Not of the recipe as it is now.**"] if entry.earlier else []
        cells = (
            f"[{markdown(entry.title)}]({quote(entry.folder)}/README.md)",
            entry.methods,
            entry.seeds,
            markdown(entry.baseline),
            number(entry.detectable, 1),
            " ".join([*marked, *map(markdown, entry.headline)]),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)
