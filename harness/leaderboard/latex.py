"""The ranking as a LaTeX table, for papers: booktabs, every text from outside escaped."""

from collections.abc import Callable, Sequence

from harness.leaderboard.figures import difference_of, sign_of
from harness.leaderboard.scores import LENGTH_CONTROLLED, MEAN_LENGTH, WIN_RATE
from harness.leaderboard.table import Row, Score, Section, Table
from harness.leaderboard.text import number, plain, scientific

_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "`": r"\textasciigrave{}",
    }
)

Column = tuple[str, str, Callable[[Row], str]]
"""Heading, alignment, cell."""


def latex(text: str) -> str:
    """`text` as one line of LaTeX that typesets it and does nothing else."""
    return plain(text).translate(_SPECIAL)


def table_tex(table: Table) -> str:
    """One `table` environment for each section; needs the package booktabs."""
    head = "% Made by `harness leaderboard`. Needs \\usepackage{booktabs}.\n"
    return head + "\n".join(_environment(table, section) for section in table.sections)


def _environment(table: Table, section: Section) -> str:
    rows = [row for row in table.rows if row.section == section.number]
    columns = _columns(table, rows)
    label = "".join(character for character in table.recipe if character.isalnum() or character == "-")
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_caption(table, section)}}}",
        rf"\label{{tab:{label}{'' if section.number == 1 else f'-{section.number}'}}}",
        rf"\begin{{tabular}}{{{''.join(alignment for _, alignment, _ in columns)}}}",
        r"\toprule",
        _line([heading for heading, _, _ in columns]),
    ]
    for place, row in enumerate(rows):
        if place == 0 or rows[place - 1].rank != row.rank:
            lines.append(r"\midrule")
        lines.append(_line([cell(row) for _, _, cell in columns]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _caption(table: Table, section: Section) -> str:
    seeds = f"{len(section.seeds)} seed{'' if len(section.seeds) == 1 else 's'}"
    return (
        f"{latex(table.title)}. Win rates in points with 95\\,\\% intervals over {seeds} and prompts; "
        f"$\\Delta$ is the paired difference to {latex(table.baseline)}, in bold where significant "
        "after Holm's correction. Rows between two rules share a rank: they are tied."
    )


def _columns(table: Table, rows: Sequence[Row]) -> list[Column]:
    columns: list[Column] = [
        ("rank", "r", lambda row: "--" if row.rank is None else str(row.rank)),
        ("method", "l", lambda row: latex(row.method)),
        ("win rate", "r", lambda row: _score(row.scores[WIN_RATE])),
        (r"$\Delta$", "r", _difference),
    ]
    if any(row.scores.get(LENGTH_CONTROLLED) for row in rows):
        columns.append(("length-controlled", "r", lambda row: _score(row.scores[LENGTH_CONTROLLED])))
    if any(row.scores.get(MEAN_LENGTH) for row in rows):
        columns.append(("characters", "r", _length))
    if table.has_costs:
        columns.append(("FLOPs", "r", lambda row: _power(row.cost.alone.flops)))
        columns.append(("overhead", "r", lambda row: _percent(row.overhead.alone.flops)))
    return columns


def _score(score: Score | None) -> str:
    return "--" if score is None else _interval(score.mean, score.ci_high)


def _interval(mean: float, high: float | None, sign: bool = False) -> str:
    shown = number(mean, 1, sign)
    return f"${shown}$" if high is None else f"${shown} \\pm {number(high - mean, 1)}$"


def _difference(row: Row) -> str:
    gap = difference_of(row)
    if gap is None:
        return "--"
    shown = _interval(gap.mean, gap.ci_high, sign=True)
    return f"\\boldmath{shown}" if sign_of(gap) else shown


def _length(row: Row) -> str:
    score = row.scores[MEAN_LENGTH]
    return "--" if score is None else number(score.mean, 0)


def _power(value: float) -> str:
    mantissa, _, exponent = scientific(value).partition("e")
    return f"${mantissa} \\times 10^{{{exponent}}}$" if exponent else mantissa


def _percent(ratio: float | None) -> str:
    return "--" if ratio is None else f"${100 * ratio:+z,.0f}\\,\\%$"
