"""The LaTeX table: whole, aligned with the board, and inert."""

import pytest
from synthetic_records import board, record

from harness.leaderboard.assemble import make_table
from harness.leaderboard.latex import latex, table_tex


@pytest.mark.parametrize(
    ("text", "set_as"),
    [
        ("50 % & $x_1$", r"50 \% \& \$x\_1\$"),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("a~b^c#d", r"a\textasciitilde{}b\textasciicircum{}c\#d"),
        ("two\nlines\x1b", "two lines"),
    ],
)
def test_text_is_set_and_does_nothing_else(text: str, set_as: str) -> None:
    assert latex(text) == set_as


def test_rows_and_rules_are_those_of_the_board() -> None:
    text = table_tex(make_table(board({"dpo": 50, "random": 51, "uniform": 75}, prompts=60)))
    lines = text.splitlines()
    head = next(line for line in lines if line.startswith("rank & "))
    body = [line for line in lines if line.startswith(("1 & ", "2 & "))]
    assert head == r"rank & method & win rate & $\Delta$ & characters & FLOPs & overhead \\"
    assert body[0].startswith("1 & uniform & $7")
    assert r"\boldmath$+2" in body[0]
    assert {line.count(" & ") for line in [head, *body]} == {6}
    assert text.count(r"\midrule") == 2  # one before each rank: uniform alone, then the tie
    assert r"\begin{tabular}{rlrrrrr}" in lines
    assert r"\label{tab:bpo}" in lines
    assert text.count(r"\begin{") == text.count(r"\end{") == 2


def test_each_section_has_a_table_of_its_own() -> None:
    text = table_tex(make_table([record(), record("a", comparable={"judge": "other"})]))
    assert r"\label{tab:bpo}" in text
    assert r"\label{tab:bpo-2}" in text


def test_costs_that_were_not_measured_are_no_columns() -> None:
    assert "FLOPs" not in table_tex(make_table([record(tasks=[]), record("a", tasks=[])]))
