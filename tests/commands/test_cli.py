"""The command line: help that teaches, exit codes, and errors that are sentences."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness
from harness.__main__ import main
from harness.cli import app
from harness.commands.places import places_of
from harness.errors import BadInput
from harness.recipe.schema import KINDS, kind_of

RECIPES = Path(__file__).parent.parent.parent / "recipes"
runner = CliRunner()


def test_help_names_every_command_and_where_to_start() -> None:
    text = runner.invoke(app, ["--help"]).output
    assert "harness run recipes/bpo.toml" in text
    for command in ("run", "plan", "check", "leaderboard", "methods", "show", "schema"):
        assert f"\n  {command} " in text


def test_no_command_is_cut_short_in_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = runner.invoke(app, ["--help"]).output.partition("Commands:\n")[2].splitlines()
    assert len(listed) == len(app.registered_commands) + len(app.registered_groups)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


def test_version() -> None:
    assert runner.invoke(app, ["--version"]).output.strip() == f"harness {harness.__version__}"


def test_methods_lists_every_kind() -> None:
    words = runner.invoke(app, ["methods"]).output.split()
    for variants in KINDS.values():
        assert {kind_of(variant) for variant in variants} <= set(words)


def test_methods_says_what_a_loss_needs() -> None:
    lines = runner.invoke(app, ["methods"], env={"COLUMNS": "200"}).output.splitlines()
    needs = {words[0]: line for line in lines if (words := line.split())}
    assert needs["simpo"].rstrip().endswith("no reference")
    assert needs["dpo"].rstrip().endswith("reference")
    assert needs["bco"].rstrip().endswith("reference, batch, running")


def test_methods_are_json_too() -> None:
    found = json.loads(runner.invoke(app, ["methods", "--json"]).output)
    names = {part: [one["kind"] for one in kinds] for part, kinds in found.items()}
    assert names == {part: [kind_of(variant) for variant in variants] for part, variants in KINDS.items()}
    assert {one["kind"]: one["needs"] for one in found["loss"]}["bco"] == "reference, batch, running"
    assert all(one["line"] and one["needs"] is None for one in found["breadth"])


def test_schema_is_json() -> None:
    assert json.loads(runner.invoke(app, ["schema"]).output)["title"] == "Recipe"


def test_every_recipe_checks() -> None:
    found = sorted(str(path) for path in RECIPES.rglob("*.toml"))
    assert len(found) >= 4
    done = runner.invoke(app, ["check", *found])
    assert done.exit_code == 0
    assert done.output.count(": ok, ") == len(found)


def test_what_checks_is_output_and_only_problems_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = RECIPES / "smoke.toml", tmp_path / "bad.toml"
    bad.write_text("titel = 'x'")
    monkeypatch.setattr("sys.argv", ["harness", "check", str(bad), str(good)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == f"{good}: ok, 3 methods x 2 replicates\n"
    assert all(line.startswith(f"{bad}: ") for line in shown.err.splitlines())


def test_json_says_of_every_recipe_what_is_wrong(tmp_path: Path) -> None:
    good, bad = RECIPES / "smoke.toml", tmp_path / "bad.toml"
    bad.write_text("titel = 'x'")
    done = runner.invoke(app, ["check", "--json", str(good), str(bad)])
    assert isinstance(done.exception, BadInput)
    right, wrong = json.loads(done.stdout)
    assert right == {"recipe": str(good), "problems": [], "methods": 3, "replicates": 2}
    assert wrong["recipe"] == str(bad)
    assert wrong["problems"] == list(done.exception.problems)
    assert (wrong["methods"], wrong["replicates"]) == (None, None)


def test_a_plan_ends_with_whole_lines(tmp_path: Path) -> None:
    """Where the output is no terminal, a sentence is one line, however long."""
    words = ["plan", str(RECIPES / "smoke.toml"), "--store", str(tmp_path), "--boards", str(tmp_path)]
    jobs, detectable = runner.invoke(app, [*words, "--jobs", "1"]).output.splitlines()[-2:]
    assert "with 1 job (estimated" in jobs
    assert detectable.startswith("Smallest difference in win rate")
    assert len(detectable) > 160


@pytest.mark.parametrize("command", ["check", "run", "plan"])
def test_a_wrong_recipe_is_exit_code_2_without_a_traceback(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("titel = 'x'")
    monkeypatch.setattr("sys.argv", ["harness", command, str(path)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    errors = capsys.readouterr().err
    assert f"{path}: titel: unknown key. Did you mean 'title'?" in errors
    assert f"{path}: budget: required, but not there. Add it." in errors
    assert not (tmp_path / ".harness").exists()


def test_an_unwritable_store_is_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    words = ["harness", "run", str(RECIPES / "smoke.toml"), "--store", str(tmp_path / "file" / "store")]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "the store cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["...toml", "..toml", "a\nb.toml", "\u202egpj.toml", "\x1b[2J.toml", "\udcff.toml"]
)
@pytest.mark.parametrize("command", ["run", "plan", "leaderboard"])
def test_no_board_lies_above_its_folder_or_breaks_a_line(
    command: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`...toml` without its suffix is `..`: its board would be the project itself."""
    (tmp_path / "recipes").mkdir()
    recipe = tmp_path / "recipes" / name
    recipe.write_bytes((RECIPES / "smoke.toml").read_bytes())
    monkeypatch.setattr("sys.argv", ["harness", command, str(recipe)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    (problem,) = capsys.readouterr().err.splitlines()
    assert "cannot name a folder. Rename the file." in problem
    assert problem.isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["recipes"]


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside `recipes/`, or beside the recipe; --store wins over HARNESS_STORE."""
    monkeypatch.delenv("HARNESS_STORE", raising=False)
    inside = places_of(tmp_path / "recipes" / "a.toml")
    assert (inside.store, inside.board) == (tmp_path / ".harness", tmp_path / "leaderboards" / "a")
    deeper = places_of(tmp_path / "recipes" / "gpu" / "a.toml")
    assert (deeper.store, deeper.board) == (inside.store, inside.board)
    assert deeper.data == inside.data
    assert places_of(tmp_path / "b.toml").store == tmp_path / ".harness"
    monkeypatch.setenv("HARNESS_STORE", "/elsewhere")
    assert places_of(tmp_path / "b.toml").store == Path("/elsewhere")
    assert places_of(tmp_path / "b.toml", store=tmp_path).store == tmp_path
    assert places_of(tmp_path / "b.toml", boards=tmp_path).board == tmp_path / "b"
