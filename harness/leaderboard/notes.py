"""The sentences below a board: how to read it, what is tied, what is missing, and what it can resolve."""

from collections.abc import Callable
from itertools import pairwise
from typing import get_args

from harness.leaderboard.rank import ALPHA
from harness.leaderboard.scores import WIN_RATE
from harness.leaderboard.statistics import Parts
from harness.leaderboard.table import Row, Section, Table
from harness.leaderboard.text import markdown, number
from harness.recipe.schema import Role

Quote = Callable[[str], str]
"""How text from outside is made harmless for where a sentence goes."""

HOW_TO_READ = (
    "`±` is half of a 95 % interval over seeds and prompts. Differences are taken against the baseline, on "
    f"the same prompts and seeds; one in **bold** has p < {ALPHA} after Holm's correction over the rows.",
    "Rank is 1 + the number of rows that are significantly better in win rate (paired tests of all ranked "
    "rows with each other, by their own noise and that of all rows' seeds, Holm-corrected together). Equal "
    "rank is a tie: the order inside it means nothing. "
    "*Places* are those by mean win rate alone that hold 95 % of 10,000 bootstrap draws of seeds and "
    "prompts; a rank may lie outside them.",
)
COSTS = (
    "A cost counts all that a method needs, evaluation and the base model left out: *alone* as if nothing "
    "else had run, *shared* with each task split among the rows and seeds that use it. In the ranking, "
    "tokens (forward), FLOPs and overhead (in FLOPs) are alone. Pads are in no FLOPs and no other count of "
    "tokens. ◆ marks the Pareto front: no other ranked row is at least as good in win rate and as cheap in "
    "FLOPs alone, and better in one of them."
)
REACH = (
    "*FLOPs to baseline's win rate*: rows that declare the same but for their size are one method at several "
    "budgets. In the mean it has the baseline's win rate at the second figure (in **bold**: with its whole "
    "interval), and not at the first; ≤: no smaller budget was tried. Nothing is interpolated."
)
NO_COSTS = (
    "The results were made elsewhere: what rows were trained on and what they cost is not known, so there "
    "are no columns of data and costs, no overheads and no Pareto front."
)


def notes(table: Table) -> list[str]:
    """All sentences for `table`, as inert Markdown, without bullets."""
    return [*board_notes(table), *(line for row in table.rows for line in row_notes(row))]


def board_notes(table: Table) -> list[str]:
    """The sentences that are not of single rows."""
    costs = (COSTS, REACH) if table.has_costs else (NO_COSTS,)
    lines = [*HOW_TO_READ, *costs, _drawn_anew(table)]
    for section in table.sections:
        rows = [row for row in table.rows if row.section == section.number]
        prefix = f"Section {section.number}: " if len(table.sections) > 1 else ""
        lines += [prefix + line for line in _of_section(section, rows, table)]
    return lines


def section_reason(section: Section, first: Section, quote: Quote = markdown) -> str:
    """Why `section` is not ranked together with the first one, as a sentence."""
    keys = sorted(first.comparable.keys() | section.comparable.keys())
    differing = [
        f"{quote(key)} ({_value(section, key, quote)} instead of {_value(first, key, quote)})"
        for key in keys
        if first.comparable.get(key) != section.comparable.get(key)
    ]
    return f"Not ranked with section {first.number}, because these differ: {', '.join(differing)}."


def _value(section: Section, key: str, quote: Quote) -> str:
    return quote(section.comparable[key]) if key in section.comparable else "nothing"


def _drawn_anew(table: Table) -> str:
    anew = table.fixed["seeds"]["vary"]
    line = f"Each seed draws anew: {markdown(', '.join(anew)) or 'nothing'}."
    shared = [role for role in get_args(Role) if role not in anew]
    if not shared:
        return line
    return (
        f"{line} **All seeds share one draw of {', '.join(shared)}: the intervals lack that noise, and what "
        "is significant here may vanish with another draw.**"
    )


def _of_section(section: Section, rows: list[Row], table: Table) -> list[str]:
    lines = [_seeds(section)]
    if not section.has_baseline:
        lines.append(
            f"The baseline {markdown(table.baseline)} has no record here, so there are no differences "
            "and no overheads."
        )
    if all(row.scores[WIN_RATE] is None for row in rows):
        lines.append("There are no win rates, so nothing is ranked.")
    elif section.compared:
        lines.append(_separation(section, rows))
        lines.append(_length_control(section))
    lines += _head_to_head(section)
    if section.smallest_detectable_difference is not None:
        lines.append(
            "Smallest difference in win rate that one such comparison finds with 80 % chance "
            f"(5 % level, before Holm): {number(section.smallest_detectable_difference, 1)} points."
        )
    if section.noise is not None and section.noise.residual is not None:
        lines.append(_noise(section.noise))
    return lines


def _seeds(section: Section) -> str:
    match section.seeds:
        case [seed]:
            return (
                f"**One seed only ({seed}): the intervals hold the noise of prompts, but lack that of seeds. "
                "A difference that is significant here may vanish with another seed.**"
            )
        case [first, second]:
            return (
                f"Two seeds ({first} and {second}): the noise of seeds is barely known, and a 95 % interval "
                "may cover as little as 87 %. Use three or more."
            )
    return f"{len(section.seeds)} seeds: {', '.join(map(str, section.seeds))}."


def _length_control(section: Section) -> str:
    control = section.length_control
    if control is None:
        return (
            "No length-controlled win rates: the records lack the lengths of the reference's outputs, or "
            "no length varies."
        )
    return (
        f"Length-controlled win rates come from one model of all {len(control.methods)} rows, so each rests "
        "on the others: what the win rate would be at the reference's length, if length moved judges alike "
        f"in all rows (slope {number(control.slope, 2, sign=True)}; above zero it prefers longer outputs). "
        "They take out nothing but length, and ranks do not rest on them."
    )


def _separation(section: Section, rows: list[Row]) -> str:
    start = f"{section.separated} of {section.compared} pairs of ranked rows are separated."
    tied = [
        f"{markdown(row.method)} from {', '.join(markdown(other) for other in below)}"
        for place, row in enumerate(rows)
        if (below := [later.method for later in rows[place:] if later.method in row.tied_with])
    ]
    lines = [start]
    if tied:
        lines.append(f"Not told apart: {'; '.join(tied)}.")
    if any(later.rank and _above(later, row) for row, later in pairwise(rows)):
        lines.append(
            "Where a row stands below one with a lower win rate, the comparisons of the latter are noisier, "
            "so that fewer rows are surely better than it."
        )
    return " ".join(lines)


def _above(row: Row, other: Row) -> bool:
    mine, theirs = row.scores[WIN_RATE], other.scores[WIN_RATE]
    return mine is not None and theirs is not None and mine.mean > theirs.mean


def _head_to_head(section: Section) -> list[str]:
    """What is missing side by side, and how often the judge's verdict followed the order."""
    flips = sum(one.flips for one in section.head_to_head)
    lines = [f"Head to head: {flips:,} verdicts turned with the order of the two outputs."] if flips else []
    lines += [
        f"{markdown(one.method)} against {markdown(one.other)}: {one.missing} comparisons have no verdict; "
        "the win rate is that of the others. Running the recipe again asks for them alone."
        for one in section.head_to_head
        if one.missing
    ]
    return lines + [
        f"{markdown(one.method)} against {markdown(one.other)}: not judged side by side for seed "
        f"{', '.join(map(str, one.seeds))}. Running the recipe again asks for it."
        for one in section.unjudged
    ]


def _noise(noise: Parts) -> str:
    named = (
        ("seeds", noise.replicates),
        ("prompts", noise.prompts),
        ("single outputs (prompt by seed, and sampling)", noise.residual),
    )
    total = sum(value for _, value in named if value is not None)
    shares = [f"{100 * value / total:.0f} % {name}" for name, value in named if value is not None]
    return f"Variance of a difference in win rate, by source: {', '.join(shares)}."


def row_notes(row: Row) -> list[str]:
    """The sentences of one row: its own notes, and what it lacks."""
    lines = [*(markdown(f"{row.method}: {note}") for note in row.notes), *row_lacks(row)]
    if row.pairs_dropped or row.pairs_truncated:
        lines.append(pairs_lost(row))
    return lines


def pairs_lost(row: Row, quote: Quote = markdown) -> str:
    """How many pairs could not be chosen, and how many of those trained on were cut."""
    return (
        f"{quote(row.method)}: {number(row.pairs_dropped, 0)} pairs dropped, "
        f"{number(row.pairs_truncated, 0)} truncated (mean over seeds)."
    )


def row_lacks(row: Row, quote: Quote = markdown) -> list[str]:
    """Why a row is not ranked, what its difference rests on, and why it has no interval."""
    name, own = quote(row.method), row.scores[WIN_RATE]
    lines = []
    if not row.complete:
        lines.append(f"{name} is incomplete and not ranked: {quote('; '.join(row.missing))}.")
    if not row.complete and own is not None and own.difference is not None:
        lines.append(f"{name}: its difference is taken on the prompts and seeds that both rows have.")
    if own is not None and own.ci_high is None:
        lines.append(f"{name}: no interval, because its win rates do not vary at all or there is only one.")
    return lines
