"""`harness leaderboard` on records that are damaged, missing or odd: sentences, and no wrong number."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic_records import WIN_RATE, board, items, record

from harness.__main__ import main
from harness.leaderboard.board import make_board, unlike
from harness.leaderboard.record import Record, write_record

Command = Callable[..., tuple[int, str, str]]
AGAIN = "Run the recipe again to write it anew.\n"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run the program as a user does, in the folder of the project: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["harness", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        shown = capsys.readouterr()
        return int(caught.value.code or 0), shown.out, shown.err

    return run


def written(records: list[Record]) -> Path:
    """Write a board's records below the present folder; the file of the first of them."""
    paths = [write_record(Path("leaderboards/b/records"), one) for one in records]
    return paths[0]


def flat(value: float | None, method: str) -> list[Record]:
    """Three replicates of five prompts that all have the same win rate."""
    rows = {f"p{prompt}": [value] for prompt in range(5)}
    return [record(method, seed, items={WIN_RATE: items(rows)}) for seed in range(3)]


def refused(command: Command) -> str:
    """What is said where a board is not made: nothing is written or shown besides."""
    code, out, error = command("leaderboard")
    assert (code, out) == (2, "")
    assert {path.name for path in Path("leaderboards/b").iterdir()} == {"records"}
    return error


def made(command: Command) -> tuple[list[str], str]:
    """The lines that are shown where a board is made, and its README.md."""
    code, out, error = command("leaderboard")
    assert (code, error) == (0, "")
    assert unlike(Path("leaderboards/b"), make_board(Path("leaderboards/b"))) == []
    assert "nan" not in out.lower()
    return out.splitlines(), Path("leaderboards/b/README.md").read_text()


PLACE = "leaderboards/b/records/dpo.0.json: "


def test_a_newer_record(command: Command) -> None:
    path = written(board({"dpo": 50, "a": 60}, prompts=4))
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    said = refused(command)
    assert said == f"{PLACE}schema_version is 2, this program reads up to 1. Update harness.\n"


def test_a_truncated_record(command: Command) -> None:
    path = written(board({"dpo": 50, "a": 60}, prompts=4))
    path.write_bytes(path.read_bytes()[:300])
    assert refused(command) == f"{PLACE}is not complete JSON; it was cut off or edited. {AGAIN}"


def test_an_edited_record(command: Command) -> None:
    path = written(board({"dpo": 50, "a": 60}, prompts=4))
    path.write_text(path.read_text().replace('"pairs": 8', '"pairs": 9'))
    assert refused(command) == f"{PLACE}does not match its digest; it was edited or damaged. {AGAIN}"


def test_a_record_that_is_there_twice(command: Command) -> None:
    path = written(board({"dpo": 50, "a": 60}, prompts=4))
    path.with_name("copy.json").write_bytes(path.read_bytes())
    said = refused(command)
    assert said == f"{PLACE}method 'dpo' has replicate 0 already in copy.json. Delete one of the two.\n"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_score_that_is_no_number(command: Command, value: str) -> None:
    """With the digest that a program would give it which writes such a thing."""
    path = written([record()])
    content = json.loads(path.read_text())
    del content["digest"]
    content["items"][WIN_RATE]["values"][0][0] = float(value)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["digest"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(content))
    assert refused(command) == f"{PLACE}holds {value}, which is no number. {AGAIN}"


def test_a_board_of_one_method(command: Command) -> None:
    written(board({"dpo": 50}, prompts=4))
    lines, text = made(command)
    assert [line.split()[:3] for line in lines[2:3]] == [["1", "1", "dpo"]]
    assert "against baseline" not in lines[1]
    assert "No length-controlled win rates" not in text  # there is nothing to compare


def test_a_replicate_that_one_method_lacks(command: Command) -> None:
    """4 prompts x 4 samples in 2 of 3 replicates: 32 of 48 judgments."""
    records = board({"dpo": 50, "a": 60}, prompts=4)
    written([one for one in records if (one.method, one.replicate) != ("a", 2)])
    lines, text = made(command)
    for shown in ("\n".join(lines), text.replace("\\_", "_")):
        assert "a is incomplete and not ranked: no record for seed 2; " in shown
        assert "alpaca_eval.win_rate: 32 of 48 judgments" in shown
        assert "a: its difference is taken on the prompts and seeds that both rows have." in shown
    assert [line.split()[:4] for line in lines[3:4]] == [["–", "–", "a", "(32/48)"]]


def test_scores_without_variance(command: Command) -> None:
    written(flat(0, "dpo") + flat(100, "a"))
    lines, text = made(command)
    assert [line.split()[:5] for line in lines[2:4]] == [
        ["1", "1", "a", "100.0", "+100.0"], ["1", "2", "dpo", "0.0", "–"]
    ]  # fmt: skip
    for shown in ("\n".join(lines), text):
        assert "a: no interval, because its win rates do not vary at all or there is only one." in shown


def test_all_ties(command: Command) -> None:
    written(flat(50, "dpo") + flat(50, "a") + flat(50, "b"))
    lines, text = made(command)
    assert [line.split()[:4] for line in lines[2:5]] == [
        ["1", "1", name, "50.0"] for name in ("a", "b", "dpo")
    ]
    assert "0 of 3 pairs of ranked rows are separated." in text


def test_no_verdict_at_all(command: Command) -> None:
    written(flat(None, "dpo") + flat(None, "a"))
    lines, text = made(command)
    assert [line.split()[:3] for line in lines[2:4]] == [["–", "a", "(0/15)"], ["–", "dpo", "(0/15)"]]
    assert "There are no win rates, so nothing is ranked." in text


def test_rows_of_unlike_judges(command: Command) -> None:
    other = record("a", comparable={"judge": "oracle-2", "device": "cpu"})
    written([record("dpo"), other])
    lines, _ = made(command)
    reason = "Not ranked with section 1, because these differ: judge (oracle-2 instead of oracle-1)."
    assert lines.count(reason) == 1


def test_a_folder_without_records(command: Command) -> None:
    Path("leaderboards/b/records").mkdir(parents=True)
    said = refused(command)
    assert said == "leaderboards/b: holds no records. Run its recipe first: harness run RECIPE\n"
