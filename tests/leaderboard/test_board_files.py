"""The files of a board: complete, repeatable, and safe against what texts may hold."""

import csv
import io
import json
import os
import re
from pathlib import Path

import pytest
from recipe_documents import HUB, REAL, recipe
from rich.console import Console
from synthetic_records import FIXED, WIN_RATE, board, items, record
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import BadInput
from harness.leaderboard.assemble import make_table
from harness.leaderboard.board import BEGIN, END, check_writable, make_board, unlike, write_board
from harness.leaderboard.collect import fixed_part
from harness.leaderboard.record import Record, Sample, read_records, write_record
from harness.leaderboard.terminal import print_board

FILES = ["README.md", "table.json", "table.csv", "table.tex", "index.html"]
NASTY = f"=1+1|x\n# <script>alert(1)</script> {END} [a](http://b) `c` \x1b[31m\u202e **d**"


def folder_with(folder: Path, records: list[Record]) -> Path:
    for one in records:
        write_record(folder / "records", one)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_with(tmp_path, board({"dpo": 50, "random": 52, "uniform": 65}, prompts=40))


def test_table_json_has_the_fields_that_other_programs_read(folder: Path) -> None:
    table = json.loads(make_board(folder)["table.json"])
    assert {"schema_version", "recipe", "title", "baseline", "seeds", "provenance", "rows"} <= table.keys()
    assert (table["schema_version"], table["baseline"], table["seeds"]) == (1, "dpo", [0, 1, 2])
    assert table["fixed"] == FIXED
    row = table["rows"][0]
    assert {"method", "rank", "complete", "seeds", "pairs", "prompts", "mean_depth", "pareto"} <= row.keys()
    assert row["method"] == "uniform"
    assert row["scores"]["alpaca_eval.lc_win_rate"] is None
    score = row["scores"][WIN_RATE]
    assert score.keys() == {"mean", "ci_low", "ci_high", "difference"}
    assert {"mean", "ci_low", "ci_high", "p"} <= score["difference"].keys()
    assert row["cost"].keys() == {"alone", "shared", "stages"}
    assert row["cost"]["alone"]["wall_s"] == 20
    assert row["cost"]["stages"]["adapter"]["wall_s"] == 12
    assert row["overhead"]["alone"] == {"wall": pytest.approx(2 / 18, rel=1e-5), "flops": 0}


def test_that_code_of_a_model_may_be_run_stands_on_the_board(tmp_path: Path) -> None:
    fixed = fixed_part(recipe(REAL, model={"kind": "hf", **HUB, "trust_remote_code": True}))
    files = make_board(folder_with(tmp_path, [record(fixed=fixed)]))
    assert r"trust\_remote\_code = true" in files["README.md"]
    assert "trust_remote_code = true" in files["index.html"]


def test_the_same_records_give_the_same_bytes(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = folder_with(tmp_path_factory.mktemp("copy"), read_records(folder / "records")[::-1])
    assert make_board(folder) == make_board(copy)


def test_written_files_are_fresh_until_something_changes(folder: Path) -> None:
    assert unlike(folder, make_board(folder)) == FILES
    assert write_board(folder) == make_table(read_records(folder / "records"))
    assert unlike(folder, make_board(folder)) == []
    with (folder / "table.csv").open("a") as file:
        file.write("\n")
    assert unlike(folder, make_board(folder)) == ["table.csv"]
    write_record(folder / "records", record("new", order=9, comparable={"judge": "other"}))
    assert unlike(folder, make_board(folder)) == FILES
    assert {path.name for path in folder.iterdir()} == {*FILES, "records"}


def test_text_around_the_markers_stays(folder: Path) -> None:
    readme = folder / "README.md"
    readme.write_bytes(f"# Mine\r\n\r\nBefore\n{BEGIN}\noutdated\n{END}\n\nAfter".encode())
    write_board(folder)
    text = readme.read_bytes().decode()
    assert text.startswith(f"# Mine\r\n\r\nBefore\n{BEGIN}\n")
    assert text.endswith(f"\n{END}\n\nAfter")
    assert "outdated" not in text
    assert unlike(folder, make_board(folder)) == []


def test_a_readme_without_markers_gets_the_board_at_its_end(folder: Path) -> None:
    (folder / "README.md").write_text("# Mine\n")
    assert make_board(folder)["README.md"].startswith(f"# Mine\n\n{BEGIN}\n")


@pytest.mark.parametrize(
    "text", [BEGIN, END, END + BEGIN, BEGIN + END + END, BEGIN + BEGIN + END, END + BEGIN + END]
)
def test_broken_markers_are_refused(folder: Path, text: str) -> None:
    (folder / "README.md").write_text(text)
    with pytest.raises(BadInput, match=r"README\.md: must hold .* once"):
        make_board(folder)


def test_a_readme_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "README.md").write_bytes(b"\xff")
    with pytest.raises(BadInput, match="is not UTF-8"):
        make_board(folder)


def test_readme_shows_ranks_intervals_and_how_to_make_it_again(folder: Path) -> None:
    lines = make_board(folder)["README.md"].splitlines()
    first = next(line for line in lines if line.startswith("| 1 |"))
    assert first.startswith("| 1 | 1 | uniform ◆ | 6")
    assert "| **+22.3 ± " in first
    head = next(line for line in lines if line.startswith("| rank |"))
    assert "| characters | tokens | FLOPs | overhead | facts known |" in head
    assert "| 0 | 3.00e11 | +0 % |" in first
    assert first.endswith("| 8 | 4 | 2.0 | 480/480 |")
    assert "    harness leaderboard recipes/bpo.toml" in lines
    assert "- 3 seeds: 0, 1, 2." in lines
    assert any(line.startswith("- Smallest difference in win rate") for line in lines)
    assert any(line.endswith("Not told apart: random from dpo.") for line in lines)
    assert any(line.startswith("- Variance of a difference in win rate, by source:") for line in lines)
    assert "### Cost (mean over seeds; of peak memory the largest)" in lines
    assert any("draws of seeds and prompts; a rank may lie outside them." in line for line in lines)


def test_every_line_of_a_table_has_the_same_number_of_cells(folder: Path) -> None:
    blocks = make_board(folder)["README.md"].split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("| ")]
    assert len(tables) == 6
    assert all(len({line.replace("\\|", "").count("|") for line in table}) == 1 for table in tables)


def test_readme_says_what_is_held_equal_the_budget_first(folder: Path) -> None:
    block = make_board(folder)["README.md"].partition("### Held equal")[2].partition("###")[0]
    assert block.strip().splitlines()[2:] == [
        "- budget: responses = 768",
        '- seeds: replicates = \\[0, 1, 2\\], vary = \\["pool", "selection", "training", "evaluation"\\]',
        '- pool: prompts.kind = "atlas", prompts.count = 800',
    ]


def test_seeds_that_share_a_draw_are_warned_of(folder: Path, tmp_path: Path) -> None:
    assert (
        "- Each seed draws anew: pool, selection, training, evaluation.\n" in make_board(folder)["README.md"]
    )
    for vary, anew, shared in (
        (["training", "pool"], "training, pool", "selection, evaluation"),
        ([], "nothing", "pool, selection, training, evaluation"),
    ):
        fixed = FIXED | {"seeds": {"vary": vary}}
        records = [record(replicate=seed, fixed=fixed) for seed in range(3)]
        text = make_board(folder_with(tmp_path / anew, records))["README.md"]
        assert f"- Each seed draws anew: {anew}. **All seeds share one draw of {shared}: the int" in text


def test_no_two_columns_have_the_same_heading(tmp_path: Path) -> None:
    metrics = (
        WIN_RATE,
        "world.breadth",
        "world.depth",
        "lm_eval.atlas.acc",
        "world.pairs",
        "preference.accuracy",
    )
    only = record(items={metric: items({"p": [1.0]}) for metric in metrics})
    blocks = make_board(folder_with(tmp_path, [only]))["README.md"].split("\n\n")
    heads = [block.splitlines()[0].split(" | ") for block in blocks if block.startswith("| ")]
    assert all(len(set(head)) == len(head) for head in heads)
    assert {"facts known", "entities known", "mean depth", "pairs", "world.pairs"} <= set(heads[0])
    assert not {"breadth", "depth"} & set(heads[0])
    assert len([name for name in heads[1] if name.startswith("overhead (")]) == 4


def test_a_value_without_an_interval_stands_alone(tmp_path: Path) -> None:
    """Every output has 15 characters, in all seeds."""
    rows = {"p0": [15.0], "p1": [15.0]}
    records = [record(replicate=seed, items={"alpaca_eval.mean_length": items(rows)}) for seed in (0, 1)]
    assert "| 15 |" in make_board(folder_with(tmp_path, records))["README.md"]


def in_the_way(folder: Path, place: str, kind: str) -> Path:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        path.write_text("")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(folder / "nowhere")
    return path


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("boards", "file"),
        ("boards", "link"),
        ("boards/bpo", "file"),
        ("boards/bpo/records", "file"),
        ("boards/bpo/README.md", "folder"),
    ],
)
def test_a_place_that_takes_no_board_is_refused_before_the_run(tmp_path: Path, place: str, kind: str) -> None:
    in_the_way(tmp_path, place, kind)
    with pytest.raises(
        BadInput, match=r"(cannot be written: .* Choose another folder with --boards\.|Delete it)"
    ):
        check_writable(tmp_path / "boards" / "bpo")


def test_broken_markers_are_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(END)
    with pytest.raises(BadInput, match="once"):
        check_writable(tmp_path)


def test_checking_a_place_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    check_writable(folder)
    check_writable(tmp_path / "new" / "boards" / "bpo")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("place", ["README.md", "table.json"])
def test_a_board_file_that_cannot_be_written_is_a_sentence(folder: Path, place: str) -> None:
    in_the_way(folder, place, "folder")
    with pytest.raises(BadInput, match=rf"{place}: cannot be (read|written): Is a directory\."):
        write_board(folder)
    assert not list(folder.glob("*.partial"))


def test_two_runs_do_not_write_the_same_partial_file(folder: Path) -> None:
    """Another process's partial file is a folder here: writing through it would fail."""
    (folder / "table.json.partial").mkdir()
    (folder / f"table.json.{os.getpid() + 1}.partial").mkdir()
    write_board(folder)
    assert unlike(folder, make_board(folder)) == []


def test_one_seed_and_two_seeds_are_warned_of(tmp_path: Path) -> None:
    one = make_board(folder_with(tmp_path / "1", board({"dpo": 50, "a": 60}, replicates=1)))["README.md"]
    two = make_board(folder_with(tmp_path / "2", board({"dpo": 50, "a": 60}, replicates=2)))["README.md"]
    assert "One seed only (0): the intervals hold the noise of prompts, but lack that of seeds" in one
    assert "Variance of a difference" not in one
    assert "Two seeds (0 and 1)" in two


def test_sections_say_why_they_are_apart(tmp_path: Path) -> None:
    records = [record(), record("a", comparable={"judge": "oracle-1", "device": "cuda", "dtype": "bf16"})]
    text = make_board(folder_with(tmp_path, records))["README.md"]
    reason = "device (cuda instead of cpu), dtype (bf16 instead of nothing)."
    assert f"Not ranked with section 1, because these differ: {reason}" in text
    assert (
        "- Section 2: The baseline dpo has no record here, so there are no differences and no overheads."
        in text
    )


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    records = [
        record(),
        record("a", items={WIN_RATE: items({"p0": [1.0, None]})}, pairs_dropped=3, pairs_truncated=1),
    ]
    text = make_board(folder_with(tmp_path, records))["README.md"]
    assert "| 1/4 |" in text
    assert "- a is incomplete and not ranked: alpaca\\_eval.win\\_rate: 1 of 4 judgments." in text
    assert "- a: 3 pairs dropped, 1 truncated (mean over seeds)." in text
    assert "- a: no interval, because its win rates do not vary at all or there is only one." in text


def test_a_board_without_win_rates_says_so(tmp_path: Path) -> None:
    text = make_board(folder_with(tmp_path, [record(items={})]))["README.md"]
    assert "- There are no win rates, so nothing is ranked." in text


def test_a_note_that_not_all_seeds_have_names_those_that_do(tmp_path: Path) -> None:
    chosen = {0: "tuned: beta = 0.1", 1: "tuned: beta = 0.5", 2: "tuned: beta = 0.1"}
    records = [record(replicate=seed, notes=[note, "always"]) for seed, note in chosen.items()]
    (row,) = make_table(records).rows
    assert row.notes == ["seed 0, 2: tuned: beta = 0.1", "always", "seed 1: tuned: beta = 0.5"]


def test_texts_from_outside_are_inert_everywhere(tmp_path: Path) -> None:
    nasty = record(
        NASTY,
        recipe=NASTY,
        title=NASTY,
        baseline=NASTY,
        fixed={NASTY: {NASTY: NASTY}, "seeds": {"vary": [NASTY]}},
        declared={NASTY: NASTY},
        comparable={NASTY: NASTY},
        notes=[NASTY],
        items={NASTY: items({NASTY: [1.0]}), WIN_RATE: items({NASTY: [1.0], "p": [2.0]})},
        provenance={NASTY: {NASTY: NASTY}},
        samples=[Sample(prompt=NASTY, reference=NASTY, output=NASTY, preference=None)],
    )
    write_board(folder_with(tmp_path, [nasty]))
    assert unlike(tmp_path, make_board(tmp_path)) == []
    text = (tmp_path / "README.md").read_text()
    outside_of_code = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    assert not re.search("\x1b|\u202e", text)
    assert not re.search(r"<script|://|(?<!\\)(\]\(|`c|\*\*d|\|x)", outside_of_code)
    assert (text.count(BEGIN), text.count(END)) == (1, 1)
    assert len([line for line in text.splitlines() if line.startswith("# ")]) == 1
    assert not re.search("\x1b|\u202e", (tmp_path / "table.csv").read_text())
    cells = [cell for row in csv.reader(io.StringIO((tmp_path / "table.csv").read_text())) for cell in row]
    assert any(cell.startswith("'=1+1|x") for cell in cells)
    assert not any(cell.startswith(("=", "+", "@", "\t")) for cell in cells)


def test_csv_and_json_hold_the_same_numbers(folder: Path) -> None:
    files = make_board(folder)
    rows = list(csv.DictReader(io.StringIO(files["table.csv"])))
    for flat, row in zip(rows, json.loads(files["table.json"])["rows"], strict=True):
        assert flat["method"] == row["method"]
        assert float(flat[f"scores.{WIN_RATE}.ci_low"]) == row["scores"][WIN_RATE]["ci_low"]
        assert float(flat["cost.shared.flops"]) == row["cost"]["shared"]["flops"]
        assert flat["seeds"] == "0; 1; 2"
    assert next(row for row in rows if row["method"] == "dpo")[f"scores.{WIN_RATE}.difference.mean"] == ""


def with_gpu(one: Record, mib: int) -> Record:
    """Its training had a GPU, of which it took so much."""
    tasks = list(one.tasks)
    (at,) = [number for number, task in enumerate(tasks) if task.stage == "adapter"]
    spent = tasks[at].cost.model_copy(update={"peak_device_bytes": mib * 2**20})
    tasks[at] = tasks[at].model_copy(update={"cost": spent})
    return one.model_copy(update={"tasks": tasks})


def test_the_memory_of_a_gpu_is_on_boards_that_had_one_alone(folder: Path, tmp_path: Path) -> None:
    """Of seeds with 3000, 3001 and 3002 MiB the largest; a row without has a dash, and no field."""
    assert not any("peak_device" in text or "of a GPU" in text for text in make_board(folder).values())
    records = [
        one if one.method == "dpo" else with_gpu(one, 3000 + one.replicate)
        for one in read_records(folder / "records")
    ]
    files = make_board(folder_with(tmp_path / "gpu", records))
    rows = {row["method"]: row["cost"]["alone"] for row in json.loads(files["table.json"])["rows"]}
    assert rows["uniform"]["peak_device_bytes"] == 3002 * 2**20
    assert "peak_device_bytes" not in rows["dpo"]
    block = next(part for part in files["README.md"].split("\n\n") if "peak MiB of a GPU" in part)
    ends = {line.split(" | ")[0]: line.split(" | ")[-1] for line in block.splitlines()}
    assert (ends["| method"], ends["| uniform"], ends["| dpo"]) == ("peak MiB of a GPU |", "3,002 |", "– |")
    assert '<td class="num" data-v="3147825152">3,002</td>' in files["index.html"]
    assert '<td class="num" data-v="">–</td>' in files["index.html"]


def test_the_terminal_shows_each_row_and_no_markup_of_others() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    records = [
        *board({"dpo": 50, "[red]a[/red]": 70}, prompts=30),
        record("late", 0, title="Breadth and depth"),
    ]
    print_board(make_table(records), console)
    text = console.export_text()
    assert "[red]a[/red]" in text
    assert "late (4/360)" in text
    assert "± " in text


@pytest.mark.parametrize(("boards", "words"), [(1, "1 board is what its"), (2, "2 boards are what their")])
def test_counted_boards(tmp_path: Path, boards: int, words: str) -> None:
    for number in range(boards):
        folder_with(tmp_path / str(number), [record(tasks=[])])
    made = CliRunner().invoke(app, ["leaderboard", "--boards", str(tmp_path)])
    assert made.output.count("board: ") == boards
    done = CliRunner().invoke(app, ["leaderboard", "--check", "--boards", str(tmp_path)])
    assert done.output == f"{words} records give\n"
