"""The table for the terminal: sorted as asked, as wide as there is room, plain where it is piped."""

import io
import re

import pytest
from rich.console import Console
from synthetic_records import board, record

from harness.errors import BadInput
from harness.leaderboard.assemble import make_table
from harness.leaderboard.record import Items, Record
from harness.leaderboard.scores import MEAN_LENGTH, REFERENCE_LENGTH
from harness.leaderboard.table import Table
from harness.leaderboard.terminal import check_sort, print_board

TRAINING = {"dpo": 2e11, "random": 1e11, "uniform": 3e11}
"""FLOPs."""


def trained(one: Record) -> Record:
    """Its training took the FLOPs of `TRAINING`."""
    tasks = [
        task.model_copy(update={"cost": task.cost.model_copy(update={"flops": TRAINING[one.method]})})
        if task.stage == "adapter"
        else task
        for task in one.tasks
    ]
    return one.model_copy(update={"tasks": tasks})


@pytest.fixture(scope="module")
def table() -> Table:
    return make_table([trained(one) for one in board({"dpo": 50, "random": 51, "uniform": 75}, prompts=60)])


def printed(table: Table, width: int = 160, terminal: bool = False, sort: str = "rank") -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=terminal, color_system=None)
    print_board(table, console, sort)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def heading(lines: list[str]) -> str:
    return " ".join(next(line for line in lines if "rank" in line).split())


def order(lines: list[str]) -> list[str]:
    return [word for line in lines for word in line.split() if word in ("dpo", "random", "uniform")]


@pytest.mark.parametrize(
    ("sort", "methods"),
    [
        ("rank", ["uniform", "random", "dpo"]),
        ("method", ["dpo", "random", "uniform"]),
        ("win-rate", ["uniform", "random", "dpo"]),
        ("difference", ["uniform", "random", "dpo"]),  # the baseline has none, so it is last
        ("seconds", ["dpo", "random", "uniform"]),  # 18, 19 and 20
        ("overhead", ["random", "dpo", "uniform"]),  # -33, 0 and 33 %
    ],
)
def test_rows_are_sorted_as_asked(table: Table, sort: str, methods: list[str]) -> None:
    assert order(printed(table, sort=sort)) == methods


def test_a_column_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(BadInput, match=r"no column is called 'overhed'\. Did you mean 'overhead'\?"):
        check_sort("overhed")
    with pytest.raises(BadInput) as caught:
        check_sort("x")
    assert str(caught.value).count("Known: rank, place, method, ") == 1


def test_piped_the_table_is_plain_and_aligned(table: Table) -> None:
    title, *lines = printed(table)
    assert title.strip() == "Breadth and depth"
    assert all(re.fullmatch(r"[\w .,:%+×–±-]+", line) for line in lines)
    ends = [line.rstrip() for line in lines]
    assert len({len(line) for line in ends}) == 1  # the last column ends at the right everywhere
    column = lines[0].index("method")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_narrow_terminal_has_fewer_columns_and_none_cut(table: Table, width: int) -> None:
    lines = printed(table, width, terminal=True)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    head = heading(lines)
    assert head.startswith("rank")
    assert {"method", "win", "rate", "against", "baseline", "overhead"} <= set(head.split())
    assert ("characters" in head, "pairs" in head) == (width >= 100, width >= 120)


def with_reference(one: Record) -> Record:
    """The reference wrote 120 characters each time, so that lengths can be controlled."""
    own = one.items[MEAN_LENGTH]
    reference = Items(ids=own.ids, values=[[120.0] * len(row) for row in own.values])
    return one.model_copy(update={"items": one.items | {REFERENCE_LENGTH: reference}})


def test_a_length_controlled_rate_never_stands_without_the_length() -> None:
    table = make_table([with_reference(one) for one in board({"dpo": 50, "a": 75}, prompts=60)])
    heads = [heading(printed(table, width, terminal=True)) for width in range(60, 150)]
    shown = {("length-controlled" in head, "characters" in head) for head in heads}
    assert shown == {(False, False), (False, True), (True, True)}


def test_costs_that_were_not_measured_are_no_columns() -> None:
    lines = printed(make_table([record(tasks=[]), record("a", tasks=[])]))
    assert not set("".join(lines).split()) & {"FLOPs", "seconds", "tokens", "overhead"}


def test_pairs_that_could_not_be_chosen_are_said_below() -> None:
    """Cut ones alone are on the board."""
    lines = printed(make_table([record(pairs_truncated=2), record("a", pairs_dropped=3, pairs_truncated=1)]))
    told = "a: 3 pairs dropped, 1 truncated (mean over seeds)."
    assert [line for line in lines if "dropped" in line] == [told]
