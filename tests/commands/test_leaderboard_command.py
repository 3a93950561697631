"""`harness leaderboard` and `plot`: what they write, show and refuse, and the pages as they are served."""

import json
import re
import threading
import urllib.request
from pathlib import Path

import pytest
from planned_records import planned_records
from typer.testing import CliRunner

from harness.cli import app
from harness.commands.inputs import files_of
from harness.commands.leaderboard import choose, recipe_beside
from harness.commands.output import make_output
from harness.commands.places import places_of
from harness.commands.serve import make_server, serve
from harness.errors import BadInput, StaleBoard
from harness.leaderboard.record import read_records, write_record
from harness.recipe.load import load_recipe

ROOT = Path(__file__).parent.parent.parent
RECORDS = sorted((ROOT / "leaderboards" / "bpo" / "records").glob("*.[01].json"))
runner = CliRunner()


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    """A project with one board of two replicates, and no recipe."""
    folder = tmp_path / "leaderboards" / "bpo" / "records"
    folder.mkdir(parents=True)
    assert len(RECORDS) > 10
    for path in RECORDS:
        if path.name.startswith(("dpo", "sft", "null")):
            (folder / path.name).write_bytes(path.read_bytes())
    return tmp_path / "leaderboards"


def run(*words: str) -> str:
    done = runner.invoke(app, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return str(done.output)


def test_every_file_is_written_and_a_stale_one_found(boards: Path) -> None:
    run("leaderboard", "--all", "--boards", str(boards))
    files = {path.name for path in (boards / "bpo").iterdir()}
    assert files == {"README.md", "index.html", "table.json", "table.csv", "table.tex", "records"}
    assert {path.name for path in boards.iterdir()} == {"README.md", "index.html", "bpo"}
    (boards / "index.html").write_text("")
    with pytest.raises(StaleBoard) as caught:
        run("leaderboard", "--check", "--boards", str(boards))
    recipe, overview, remedy = str(caught.value).splitlines()
    assert "bpo: its recipe is not there" in recipe
    assert overview == f"{boards / 'index.html'}: is not what the boards below it give"
    assert remedy.startswith("Run `harness leaderboard` to make files again")


def test_json_is_one_line_for_each_board(boards: Path) -> None:
    (line,) = run("leaderboard", "--json", "--boards", str(boards)).splitlines()
    assert json.loads(line) == json.loads((boards / "bpo" / "table.json").read_text())


def test_json_keeps_what_stands_between_colons(boards: Path) -> None:
    record = read_records(boards / "bpo" / "records")[0]
    write_record(boards / "bpo" / "records", record.model_copy(update={"notes": [":skull:"]}))
    assert ':skull:"' in run("leaderboard", "--json", "--boards", str(boards))


def test_quiet_shows_the_result_only_and_verbose_more(boards: Path) -> None:
    words = ["leaderboard", "--boards", str(boards)]
    quiet, usual, verbose = (run(*level, *words) for level in (["-q"], [], ["-v"]))
    assert "board: " not in quiet
    assert "against baseline" in quiet
    assert "board: " in usual
    assert "there is no recipe to compare them with" in verbose
    assert len(quiet) < len(usual) < len(verbose)
    assert (run(*words, "-q"), run(words[0], "--verbose", *words[1:])) == (quiet, verbose)


def test_colour_is_only_for_a_terminal(boards: Path) -> None:
    assert "\x1b" not in run("leaderboard", "--boards", str(boards))


def test_a_column_that_is_not_there_changes_nothing(boards: Path) -> None:
    with pytest.raises(BadInput, match="no column is called 'costs'"):
        run("leaderboard", "--sort", "costs", "--boards", str(boards))
    assert not (boards / "bpo" / "README.md").exists()


def test_all_takes_no_recipe(boards: Path) -> None:
    with pytest.raises(BadInput, match="--all"):
        run("leaderboard", "--all", "recipes/bpo.toml", "--boards", str(boards))


def test_the_recipe_beside_a_board_is_the_one_that_a_run_would_take(boards: Path) -> None:
    assert recipe_beside(boards / "bpo") is None
    path = boards.parent / "recipes" / "bpo.toml"
    path.parent.mkdir()
    path.write_bytes((ROOT / "recipes" / "bpo.toml").read_bytes())
    (one,) = choose([], boards)
    assert one.recipe == path
    nested = path.parent / "gpu" / "bpo.toml"
    nested.parent.mkdir()
    path.rename(nested)
    assert recipe_beside(boards / "bpo") == nested
    assert places_of(nested).board == boards / "bpo"
    run("leaderboard", "--boards", str(boards))
    with pytest.raises(StaleBoard, match="has no record of the recipe's method balanced"):
        run("leaderboard", "--check", "--boards", str(boards))


@pytest.fixture
def with_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one data file, a recipe that names it, and a board whose records rest on its plan."""
    for name in ("HARNESS_DATA", "HARNESS_STORE"):
        monkeypatch.delenv(name, raising=False)
    path, data = tmp_path / "recipes" / "real-pool.toml", tmp_path / "data" / "hh-rlhf"
    path.parent.mkdir()
    path.write_bytes((ROOT / "recipes" / "real-pool.toml").read_bytes())
    data.mkdir(parents=True)
    (data / "harmless-base-test.jsonl.gz").write_bytes(b"one")
    recipe, places = load_recipe(path), places_of(path)
    for record in planned_records(recipe, files_of(recipe, places)):
        write_record(places.board / "records", record)
    return tmp_path


def test_edited_data_fail_the_check_and_absent_data_are_said(with_data: Path) -> None:
    words = ["leaderboard", "--boards", str(with_data / "leaderboards")]
    file = with_data / "data" / "hh-rlhf" / "harmless-base-test.jsonl.gz"
    run(*words)
    assert run(*words, "--check") == "1 board is what its records give\n"
    assert run("-q", *words, "--check") == ""
    file.write_bytes(b"two")
    with pytest.raises(StaleBoard, match=r"stage dataset: reads another hh-rlhf/harmless\S+ now \(6 methods"):
        run(*words, "--check")
    file.unlink()
    why, fresh = run(*words, "--check").splitlines()
    assert "real-pool: not compared with the data as they are now: " in why
    assert "pool.prompts.path: there is no file 'hh-rlhf/harmless-base-test.jsonl.gz' in " in why
    assert fresh == "1 board is what its records give"


def test_pages_are_served_to_this_machine_only(boards: Path) -> None:
    run("leaderboard", "--boards", str(boards))
    with make_server(boards, 0) as server:
        host, port = server.server_address[:2]
        assert host == "127.0.0.1"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/bpo/") as answer:
                assert answer.read() == (boards / "bpo" / "index.html").read_bytes()
        finally:
            server.shutdown()
            thread.join()


def interrupt(server: object) -> None:
    """What Ctrl-C does to a server."""
    raise KeyboardInterrupt


def test_serving_says_its_address_and_stops_when_interrupted(
    boards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadInput, match="Make it first: harness leaderboard"):
        serve(boards, "bpo", 0, make_output())
    run("leaderboard", "--boards", str(boards))
    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", interrupt)
    serve(boards, "bpo", 0, make_output())
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_browser_is_opened_from_a_terminal_only(
    boards: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", interrupt)
    monkeypatch.setattr("rich.console.Console.is_terminal", terminal)
    words = ["leaderboard", "--boards", str(boards)]
    run(*words)
    told = [run(*words, "--serve", *recipe).splitlines() for recipe in ([], ["bpo.toml"])]
    assert [stopped for _, stopped in told] == ["stopped", "stopped"]
    all_boards, one_board = (line.removesuffix(" (Ctrl-C stops)") for line, _ in told)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", all_boards)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/bpo/", one_board)
    assert opened == ([all_boards, one_board] if terminal else [])


def test_a_port_that_is_taken_is_a_sentence(boards: Path) -> None:
    with make_server(boards, 0) as server, pytest.raises(BadInput, match=r"--port: \d+ cannot be used"):
        make_server(boards, server.server_address[1])


@pytest.mark.slow
def test_plots_are_drawn_of_a_board(boards: Path, tmp_path: Path) -> None:
    shown = run("plot", str(boards / "bpo"), "--out", str(tmp_path / "out"))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"differences.svg", "differences.png", "cost.svg", "matrix.svg"} <= names
    assert len(shown.splitlines()) == len(names)


def test_a_board_is_named_by_its_recipe_too_and_plots_into_a_file_are_refused(
    boards: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="Choose another with --out"):
        run("plot", "recipes/bpo.toml", "--boards", str(boards), "--out", str(tmp_path / "file"))
    with pytest.raises(BadInput, match="holds no records"):
        run("plot", "recipes/other.toml", "--boards", str(boards))


def test_the_schema_of_tables_is_json() -> None:
    assert json.loads(run("schema", "--table"))["title"].startswith("harness leaderboard table")
