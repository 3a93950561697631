"""Plots for papers: each that the data allow, the same bytes each time, and names that stay names."""

from pathlib import Path

import pytest
from synthetic_records import board, record

from harness.leaderboard.assemble import make_table
from harness.leaderboard.groups import NOT_APPLICABLE
from harness.leaderboard.plots import write_plots
from harness.leaderboard.record import Contests, Record

SIZES = [(2, 1), (4, 2), (8, 2), (8, 4)]
"""Responses and pairs per prompt of the methods: a grid."""


def judged(one: Record, others: list[str]) -> Record:
    """With contests at two prompts: a method wins 10 and 11 points more for each place after the other."""
    after = {name: one.order - order for order, name in enumerate(others) if order != one.order}
    values: dict[str, list[float | None]] = {
        name: [50.0 + 10 * places, 50.0 + 11 * places] for name, places in after.items()
    }
    missing = {name: int(name == "$x^2$") for name in values}
    contests = Contests(ids=["p0", "p1"], values=values, missing=missing, flips=dict.fromkeys(values, 0))
    return one.model_copy(update={"head_to_head": contests})


@pytest.mark.slow
def test_every_plot_is_written_as_svg_and_png_and_repeats_to_the_byte(tmp_path: Path) -> None:
    log = {"history": [{"loss": 1.0, "margin": 0.0}, {"loss": 0.5, "margin": 1.0}]}
    records = []
    names = ["dpo", "a", "b", "$x^2$"]
    for one in board(dict(zip(names, (50, 60, 70, 55), strict=True)), replicates=2):
        responses, pairs = SIZES[one.order]
        declared = {"responses_per_prompt": responses, "depth": {"pairs": pairs}}
        changed = one.model_copy(update={"training": log, "declared": declared})
        records.append(judged(changed, names))
    table = make_table(records)
    first = write_plots(table, records, tmp_path / "first")
    plots = ("differences", "cost", "stages", "grid", "curves", "matrix", "head-to-head")
    assert {path.name for path in first} == {f"{plot}.{kind}" for plot in plots for kind in ("svg", "png")}
    again = write_plots(table, records, tmp_path / "again")
    for path, other in zip(first, again, strict=True):
        assert path.read_bytes() == other.read_bytes(), path.name
    text = (tmp_path / "first" / "differences.svg").read_text()
    assert "$x^2$" in text
    assert "<dc:date>" not in text
    contests = (tmp_path / "first" / "head-to-head.svg").read_text()
    assert all(f">{told}</text>" in contests for told in ("39.5", "60.5", "18.5 †"))
    cost = (tmp_path / "first" / "cost.svg").read_text()
    assert cost.count("stroke-dasharray") == 1  # one line through the four sizes of one method


def test_a_row_to_which_a_condition_does_not_apply_keeps_its_curve(tmp_path: Path) -> None:
    """Nothing else here was trained."""
    log = {"history": [{"loss": 1.0}, {"loss": 0.5}]}
    asked, failed = {"head-to-head judge": "oracle"}, {"head-to-head judge": NOT_APPLICABLE}
    records = [record(comparable=asked), record("a", comparable=failed, training=log)]
    assert "curves" in {path.stem for path in write_plots(make_table(records), records, tmp_path)}


@pytest.mark.parametrize("tasks", [[], None], ids=["no costs", "one method"])
def test_what_the_data_do_not_allow_is_not_drawn(tmp_path: Path, tasks: list[object] | None) -> None:
    records = [record() if tasks is None else record(tasks=tasks)]
    names = {path.stem for path in write_plots(make_table(records), records, tmp_path)}
    assert names == ({"cost", "stages"} if tasks is None else set())
