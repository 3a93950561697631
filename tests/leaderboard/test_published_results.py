"""Results of alpaca_eval as boards: the published ones, its repository's layout, and rows that are wrong."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import BadInput
from harness.leaderboard.alpaca_results import read_annotations, read_leaderboard
from harness.leaderboard.assemble import make_table
from harness.leaderboard.board import make_board, unlike
from harness.leaderboard.published import published_records

WIN_RATE, LC = "alpaca_eval.win_rate", "alpaca_eval.lc_win_rate"
JUDGE = "weighted_alpaca_eval_gpt4_turbo"


def row(model: str, question: int, preference: Any, **changes: Any) -> dict[str, Any]:
    return {
        "instruction": f"Question {question}?",
        "output_1": "r" * (10 + question),
        "generator_1": "gpt4",
        "output_2": "o" * (10 + question * (2 + len(model))),
        "generator_2": model,
        "annotator": JUDGE,
        "preference": preference,
    } | changes


def results(folder: Path, models: dict[str, list[Any]], annotator: str = JUDGE) -> Path:
    """The repository's layout: folder/MODEL/ANNOTATOR/annotations.json, of preferences."""
    for model, preferences in models.items():
        place = folder / model / annotator
        place.mkdir(parents=True)
        rows = [row(model, question, preference) for question, preference in enumerate(preferences)]
        (place / "annotations.json").write_text(json.dumps(rows))
        (folder / model / "model_outputs.json").write_text("[]")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    models = {name: list(1 + rng.random(12) ** power) for name, power in (("good", 0.5), ("poor", 2.0))}
    return results(tmp_path_factory.mktemp("results"), models | {"gpt4": [1.5] * 12})


def test_the_published_board_comes_back_with_ties_and_length_control(public_data: Path) -> None:
    """38 models; win rates as published, three models lack prompts, and the reference is one of them."""
    source = public_data / "alpacaeval2"
    board = read_leaderboard(source)
    table = make_table(published_records(read_annotations(source), board, "ae2"))
    assert (len(table.rows), table.baseline, table.has_costs) == (38, "gpt4_1106_preview", False)
    found = {one.method: [one.scores[metric] for metric in (WIN_RATE, LC)] for one in table.rows}
    models = [model for model in found if model != table.baseline]
    raw, controlled = (
        np.array([score.mean for model in models if (score := found[model][place])]) for place in (0, 1)
    )
    wanted = np.array([float(board[model]["length_controlled_winrate"]) for model in models])
    assert raw == pytest.approx([float(board[model]["win_rate"]) for model in models], abs=1e-8)
    assert np.abs(controlled - wanted).mean() <= 0.8
    assert spearmanr(controlled, wanted).statistic >= 0.985
    assert {one.method for one in table.rows if one.rank is None} == {
        "alpaca-7b_verbose",
        "minotaur-13b",
        "phi-2",
    }
    assert len({one.rank for one in table.rows}) < 25
    assert all(one.pareto is None for one in table.rows)


def test_the_layout_of_the_repository_is_read(folder: Path) -> None:
    published = read_annotations(folder)
    assert sorted(published.models) == ["good", "gpt4", "poor"]
    assert (published.annotator, published.reference) == (JUDGE, "gpt4")
    good = published.models["good"]
    assert list(good.lengths.values())[:2] == [[10.0], [16.0]]
    assert list(good.reference_lengths.values())[:2] == [[10.0], [11.0]]
    assert good.samples[0].output == "o" * 10
    assert len(good.samples) == 8


def test_one_model_and_packed_lines_are_read_too(tmp_path: Path) -> None:
    lines = [json.dumps({"model": "m", "index": 3, "preference": 2, "len_baseline": 7, "len_model": 9})]
    (tmp_path / "annotations.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    published = read_annotations(tmp_path)
    assert published.models["m"].win_rates == {"3": [100.0]}
    assert published.models["m"].lengths == {"3": [9.0]}
    assert published.reference == "reference"
    assert read_annotations(tmp_path, reference="davinci").reference == "davinci"


@pytest.mark.parametrize("missing", [None, -1, float("nan")])
def test_a_missing_judgment_stays_missing_and_the_row_is_not_ranked(tmp_path: Path, missing: Any) -> None:
    folder = results(tmp_path, {"a": [1.2, missing, 1.9], "b": [1.1, 1.3, 1.8]})
    table = make_table(published_records(read_annotations(folder), {}, "x"))
    row_a = next(one for one in table.rows if one.method == "a")
    assert (row_a.rank, row_a.judgments.found, row_a.judgments.expected) == (None, 2, 3)


def test_an_item_judged_twice_is_the_mean_of_both(tmp_path: Path) -> None:
    rows = [row("a", 0, 1.0), row("a", 0, 2.0), row("a", 1, 2.0)]
    (tmp_path / "annotations.json").write_text(json.dumps(rows))
    (record,) = published_records(read_annotations(tmp_path), {}, "x")
    assert record.items[WIN_RATE].values == [[0.0, 100.0], [100.0]]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"preference": 3}, "preference must lie between 1 and 2. Got 3"),
        ({"preference": "2"}, "preference must be a number. Got '2'"),
        ({"preference": True}, "preference must be a number. Got True"),
        ({"output_2": None}, "has no len"),
        ({"instruction": 3}, "int"),
        ({"len_model": 10**400}, "int too large"),
        ({"len_model": math.nan}, "a length must lie between 0 and 1,000,000,000. Got nan"),
        ({"len_baseline": -1e308}, "a length must lie between 0 and"),
        ({"generator_2": "\ud800"}, "surrogates not allowed"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    (tmp_path / "annotations.json").write_text(json.dumps([row("a", 0, 1.0), row("a", 1, 1.0) | changes]))
    with pytest.raises(BadInput, match=r"annotations\.json: row 2: .*") as caught:
        read_annotations(tmp_path)
    assert reason in str(caught.value)


@pytest.mark.parametrize("lacking", ["preference", "instruction", "output_1", "output_2"])
def test_a_row_that_lacks_something_is_named(tmp_path: Path, lacking: str) -> None:
    rows = [{key: value for key, value in row("a", 0, 1.0).items() if key != lacking}]
    (tmp_path / "annotations.json").write_text(json.dumps(rows))
    with pytest.raises(BadInput, match=f"row 1: lacks '{lacking}'. Mend or delete it"):
        read_annotations(tmp_path)


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', "3", "[" * 100_000], ids=len)
def test_what_is_no_list_of_annotations_is_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "annotations.json").write_text(content)
    with pytest.raises(BadInput, match="Fetch it again"):
        read_annotations(tmp_path)


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 40], ids=len)
def test_damaged_packing_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "annotations.json.gz").write_bytes(content)
    with pytest.raises(BadInput, match=r"annotations\.json\.gz: cannot be read"):
        read_annotations(tmp_path)


@pytest.mark.parametrize(
    ("cell", "reason"), [("9" * 200_000, "field larger than"), ('"9', "unexpected end")], ids=["long", "open"]
)
def test_a_published_board_that_is_no_csv_is_a_sentence(tmp_path: Path, cell: str, reason: str) -> None:
    (tmp_path / "leaderboard.csv").write_text(f"name,win_rate\nm,{cell}\n")
    with pytest.raises(BadInput, match=rf"leaderboard\.csv: is not CSV: {reason}"):
        read_leaderboard(tmp_path)


def test_several_annotators_must_be_chosen_from(tmp_path: Path) -> None:
    results(tmp_path, {"a": [1.2, 1.4]})
    results(tmp_path, {"b": [1.2, 1.4]}, annotator="other")
    with pytest.raises(
        BadInput, match=rf"more than one annotator: other, {JUDGE}\. Choose one with --annotator"
    ):
        read_annotations(tmp_path)
    assert list(read_annotations(tmp_path, annotator="other").models) == ["b"]
    with pytest.raises(BadInput, match=r"holds no annotations\.json of annotator 'none'"):
        read_annotations(tmp_path, annotator="none")


def test_several_references_are_refused(tmp_path: Path) -> None:
    (tmp_path / "annotations.json").write_text(
        json.dumps([row("a", 0, 1.0), row("a", 1, 1.0, generator_1="x")])
    )
    with pytest.raises(BadInput, match="more than one reference: gpt4, x"):
        read_annotations(tmp_path)


def test_published_rates_are_notes_and_differences_are_said(folder: Path) -> None:
    board = {"good": {"win_rate": "12.5", "length_controlled_winrate": "20.04"}, "poor": {"win_rate": "n/a"}}
    records = {one.method: one for one in published_records(read_annotations(folder), board, "x")}
    assert records["poor"].notes == []
    first, second = records["good"].notes
    assert first.startswith("its published win rate is 12.50, these annotations give ")
    assert second == "its published length-controlled win rate, by alpaca_eval's own model, is 20.0"


def run(*words: str | Path) -> str:
    done = CliRunner().invoke(app, ["import", "alpaca-eval", *map(str, words)], catch_exceptions=False)
    return done.output


def test_the_command_writes_a_board_that_is_fresh(folder: Path, tmp_path: Path) -> None:
    text = run(folder, "--name", "mine", "--boards", tmp_path)
    assert "good" in text
    assert "FLOPs" not in text
    assert unlike(tmp_path / "mine", make_board(tmp_path / "mine")) == []
    readme = (tmp_path / "mine" / "README.md").read_text()
    assert "what they cost is not known" in readme
    assert "### Cost" not in readme
    table = json.loads((tmp_path / "mine" / "table.json").read_text())
    assert {one["cost"] for one in table["rows"]} == {None}
    assert table["sections"][0]["length_control"]["methods"] == ["good", "gpt4", "poor"]
    assert "cost.alone" not in (tmp_path / "mine" / "table.csv").read_text()
    with pytest.raises(BadInput, match="has records already"):
        run(folder, "--name", "mine", "--boards", tmp_path)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_a_name_that_is_no_folder_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="--name: must be letters"):
        run(folder, "--name", name, "--boards", tmp_path)
