"""Plots for papers: each that the data allow, the same bytes each time, and names that stay names."""

from pathlib import Path

import pytest
from synthetic_records import board, record

from harness.leaderboard.assemble import make_table
from harness.leaderboard.plots import write_plots

SIZES = [(2, 1), (4, 2), (8, 2), (8, 4)]
"""Responses and pairs per prompt of the methods: a grid."""


@pytest.mark.slow
def test_every_plot_is_written_as_svg_and_png_and_repeats_to_the_byte(tmp_path: Path) -> None:
    log = {"history": [{"loss": 1.0, "margin": 0.0}, {"loss": 0.5, "margin": 1.0}]}
    records = []
    for one in board({"dpo": 50, "a": 60, "b": 70, "$x^2$": 55}, replicates=2):
        responses, pairs = SIZES[one.order]
        declared = {"responses_per_prompt": responses, "depth": {"pairs": pairs}}
        records.append(one.model_copy(update={"training": log, "declared": declared}))
    table = make_table(records)
    first = write_plots(table, records, tmp_path / "first")
    names = {path.name for path in first}
    plots = ("differences", "cost", "stages", "grid", "curves", "matrix")
    assert names == {f"{plot}.{kind}" for plot in plots for kind in ("svg", "png")}
    again = write_plots(table, records, tmp_path / "again")
    for path, other in zip(first, again, strict=True):
        assert path.read_bytes() == other.read_bytes(), path.name
    text = (tmp_path / "first" / "differences.svg").read_text()
    assert "$x^2$" in text
    assert "<dc:date>" not in text


@pytest.mark.parametrize("tasks", [[], None], ids=["no costs", "one method"])
def test_what_the_data_do_not_allow_is_not_drawn(tmp_path: Path, tasks: list[object] | None) -> None:
    records = [record() if tasks is None else record(tasks=tasks)]
    names = {path.stem for path in write_plots(make_table(records), records, tmp_path)}
    assert names == ({"cost", "stages"} if tasks is None else set())
