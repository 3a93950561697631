"""`harness compare` on folders, tables and commits."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import BadInput, Regression
from harness.leaderboard.board import write_board
from harness.leaderboard.cost import FIELDS
from harness.leaderboard.record import Cost, Items, Record, TaskCost, write_record

WIN_RATE = "alpaca_eval.win_rate"


def made(folder: Path, rate: float, flops: float = 100.0, metric: str = WIN_RATE) -> Path:
    """A board of one method with three seeds and five prompts."""
    costs = Cost(**dict.fromkeys(FIELDS, 0.0) | {"flops": flops})  # type: ignore[arg-type]  # no energy among them
    for seed in range(3):
        values = [[rate + prompt + 0.1 * (seed * prompt * int(rate) % 7)] for prompt in range(5)]
        record = Record(
            recipe="bpo", title="T", baseline="dpo", method="dpo", replicate=seed, order=0,
            fixed={"seeds": {"vary": []}}, declared={}, comparable={"judge": "j"}, pairs=1, prompts=1,
            pairs_dropped=0, pairs_truncated=0, notes=[], training={}, samples=[], provenance={},
            items={
                name: Items(ids=list("abcde"), values=list(map(list, values))) for name in {WIN_RATE, metric}
            },
            tasks=[TaskCost(stage="adapter", key="k", role="method", cost=costs)],
        )  # fmt: skip
        write_record(folder / "records", record)
    write_board(folder)
    return folder


def run(*words: str | Path) -> str:
    done = CliRunner().invoke(app, ["compare", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_folders_records_and_tables_are_boards(tmp_path: Path) -> None:
    before, after = made(tmp_path / "a", 50), made(tmp_path / "b", 53, flops=120)
    for one in (before, before / "records"):
        text = run(one, after)
        assert "better" in text
        assert "+3." in text or "+2.9" in text
    text = run(before / "table.json", after)
    assert "are unpaired" in text
    assert "No score and no cost changed." in run(before, before)


def test_a_metric_is_named_as_data_do(tmp_path: Path) -> None:
    """Categories of questions and tasks name metrics, and their files may come from anywhere."""
    metric = "mt_bench.category.[/b]\x1b[2J:skull:"
    before, after = made(tmp_path / "a", 50), made(tmp_path / "b", 53, metric=metric)
    assert "new: dpo mt_bench.category.[/b] [2J:skull:\n" in run(before, after)
    assert "gone: dpo mt_bench.category.[/b] [2J:skull:\n" in run(after, before)


def test_json_holds_every_change(tmp_path: Path) -> None:
    comparison = json.loads(run(made(tmp_path / "a", 50), made(tmp_path / "b", 53), "--json"))
    assert {change["metric"] for change in comparison["changes"]} >= {WIN_RATE, "cost.alone.flops"}
    assert comparison["gone"] == comparison["new"] == comparison["settings"] == []


def test_a_condition_that_is_met_is_an_error_of_its_own(tmp_path: Path) -> None:
    words = ["compare", str(made(tmp_path / "a", 50)), str(made(tmp_path / "b", 47, flops=130))]
    options = ["--fail-if", f"{WIN_RATE} drops 2", "--fail-if", "cost.alone.flops rises 10%"]
    with pytest.raises(Regression) as caught:
        CliRunner().invoke(app, words + options, catch_exceptions=False)
    assert caught.value.exit_code == 1
    assert len(str(caught.value).splitlines()) == 2


def test_two_commits_of_one_board_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> None:
        settings = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *settings, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q", "-b", "trunk")
    for rate in (50.0, 53.0):
        made(tmp_path / "boards" / "bpo", rate)
        git("add", "-A")
        git("commit", "-q", "-m", str(rate))
    monkeypatch.chdir(tmp_path / "boards")
    assert "better" in run("trunk~1:boards/bpo", "trunk:boards/bpo")
    assert "are unpaired" in run("trunk~1:boards/bpo/table.json", tmp_path / "boards" / "bpo")
    for where, reason in (("nope:boards/bpo", "nope"), ("trunk:boards/x", "did not match")):
        with pytest.raises(BadInput, match=f"is no file and no REVISION:PATH of this repository: .*{reason}"):
            run(where, "trunk:boards/bpo")


NO_TABLE = r"is no table\.json of a board\. Make it again: harness leaderboard"
MEAN, ALL = r'"mean": [-0-9.]+', r"(?s)\A.*\Z"


@pytest.mark.parametrize(
    ("part", "content", "said"),
    [
        *((ALL, content, NO_TABLE) for content in ("", "[]", "{}", '{"rows": 3', '{"rows": [{}]}')),
        pytest.param(ALL, 100_000 * "[", NO_TABLE, id="deep"),
        *(
            (MEAN, f'"mean": {number}', f"holds {number}, which is no number")
            for number in ("NaN", "Infinity", "-Infinity", "1e999")
        ),
        *((MEAN, f'"mean": {number}', NO_TABLE) for number in ('"nan"', "9" * 400)),
        (
            r'"schema_version": 1',
            '"schema_version": 2',
            r"schema_version is 2, .* up to 1\. Update harness\.",
        ),
        (r'"schema_version": 1,', "", NO_TABLE),
    ],
)
def test_what_is_no_board_is_a_sentence(tmp_path: Path, part: str, content: str, said: str) -> None:
    """Where a number is none, no condition would hold of a difference to it, and every gate would pass."""
    board = made(tmp_path / "a", 50)
    text, changed = re.subn(part, content, (board / "table.json").read_text(), count=1)
    assert changed == 1
    (tmp_path / "table.json").write_text(text)
    for sides in ((tmp_path / "table.json", board), (board, tmp_path / "table.json")):
        with pytest.raises(BadInput, match=rf"table\.json: {said}"):
            run(*sides, "--fail-if", f"{WIN_RATE} drops 2")
    with pytest.raises(BadInput, match="holds no board"):
        run(tmp_path / "nowhere", board)


def test_a_revision_is_no_option_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="holds no board"):
        run("--", f"--output={tmp_path / 'written'}:x", made(tmp_path / "a", 50))
    assert not (tmp_path / "written").exists()
