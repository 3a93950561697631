"""The whole pipeline through the real command line, on the smoke recipe: run, stop, break, go on."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks import kills
from benchmarks.flips import flip
from harness.plan.build import build_plan
from harness.plan.catalog import STAGES
from harness.recipe.load import load_recipe

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
HARNESS = Path(sys.executable).with_name("harness")
MEASURED = {"cost", "overhead", "pareto"}
"""What a row says of time; everything else must come out the same each time."""


def harness(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a project folder; a run has one worker unless it names another number."""
    one = ["--jobs", "1"] if words[0] == "run" else []  # tests have a core each
    return subprocess.run(
        [HARNESS, words[0], *one, *words[1:]], cwd=folder, capture_output=True, text=True, check=False
    )


def make_project(folder: Path) -> Path:
    (folder / "recipes").mkdir(parents=True)
    shutil.copy(ROOT / "recipes" / "smoke.toml", folder / "recipes")
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose smoke recipe has been run without a break; tests copy it before they change it."""
    project = make_project(tmp_path_factory.mktemp("finished"))
    done = harness(project, "run", "recipes/smoke.toml", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "project")


def table(project: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project / "leaderboards" / "smoke" / "table.json").read_text())
    return content


def results(project: Path) -> list[dict[str, Any]]:
    """The board's rows without their costs."""
    return [
        {key: value for key, value in row.items() if key not in MEASURED} for row in table(project)["rows"]
    ]


def measured(project: Path, board: str) -> dict[str, Any]:
    """What each record of a board measured, by file name."""
    folder = project / "leaderboards" / board / "records"
    read = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    return {name: [record[key] for key in ("items", "training", "pairs")] for name, record in read.items()}


def counts(project: Path) -> dict[str, dict[str, float]]:
    """Method -> what it cost alone, but for what clocks and the machine's memory say."""
    return {
        row["method"]: {
            field: value
            for field, value in row["cost"]["alone"].items()
            if not field.endswith("_s") and field != "peak_memory_bytes"
        }
        for row in table(project)["rows"]
    }


def records(project: Path) -> dict[str, bytes]:
    """The record files."""
    folder = project / "leaderboards" / "smoke" / "records"
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


def stored(project: Path) -> dict[str, float]:
    """Every artifact's manifest and when it was written."""
    return {
        path.parent.relative_to(project).as_posix(): path.stat().st_mtime
        for path in (project / ".harness").glob("*/*/manifest.json")
    }


def test_the_board_has_the_promised_fields(finished: Path) -> None:
    board = table(finished)
    assert {"schema_version", "recipe", "title", "baseline", "seeds", "provenance", "rows"} <= set(board)
    assert board["seeds"] == [0, 1]
    rows = {row["method"]: row for row in board["rows"]}
    assert set(rows) == {"sft", "dpo-random", "balanced"}
    assert set(rows["balanced"]["scores"]) == {
        "alpaca_eval.win_rate", "alpaca_eval.lc_win_rate", "alpaca_eval.mean_length",
        "lm_eval.atlas_facts.acc", "preference.accuracy", "world.breadth", "world.depth",
    }  # fmt: skip
    assert rows["balanced"]["scores"]["alpaca_eval.lc_win_rate"]["ci_low"] is not None
    assert set(rows["balanced"]["cost"]) == {"alone", "shared", "stages"}
    assert set(rows["balanced"]["cost"]["alone"]) == {
        "wall_s", "cpu_s", "device_s", "flops", "tokens_forward", "tokens_backward", "tokens_generated",
        "tokens_scored", "tokens_padding", "peak_memory_bytes", "judge_calls", "judge_usd", "judge_tokens_in",
        "judge_tokens_out", "judge_unpriced",
    }  # fmt: skip
    assert set(rows["balanced"]["cost"]["stages"]) == {
        "prompts", "embeddings", "breadth", "responses", "scores", "gradients", "pairs", "adapter"
    }  # fmt: skip
    assert rows["dpo-random"]["overhead"]["alone"] == {"wall": 0.0, "flops": 0.0}
    assert rows["balanced"]["overhead"]["alone"]["flops"] > 0
    assert rows["sft"]["cost"]["alone"]["flops"] == 0


def test_the_budget_is_what_was_judged(finished: Path) -> None:
    """48 responses, each judged once; 12 prompts x 4."""
    rows = {row["method"]: row for row in table(finished)["rows"]}
    for method in ("dpo-random", "balanced"):
        assert rows[method]["cost"]["alone"]["judge_calls"] == 48
        assert rows[method]["prompts"] <= 12


def test_the_first_loss_is_ln_2(finished: Path) -> None:
    records = list((finished / "leaderboards" / "smoke" / "records").glob("*.json"))
    assert len(records) == 6
    first = [json.loads(path.read_text())["training"].get("loss_first") for path in records]
    assert [round(loss, 4) for loss in first if loss is not None] == [0.6931] * 4


def test_a_second_run_does_nothing_and_the_board_is_fresh(finished: Path) -> None:
    before, written = stored(finished), records(finished)
    done = harness(finished, "run", "recipes/smoke.toml")
    assert "0 tasks done" in done.stdout
    assert stored(finished) == before
    assert records(finished) == written, "with all their costs"
    assert harness(finished, "leaderboard", "--check").returncode == 0


def test_the_board_comes_from_its_records_alone(copy: Path) -> None:
    board = copy / "leaderboards" / "smoke"
    readme = (board / "README.md").read_text()
    shutil.rmtree(copy / ".harness")
    (board / "README.md").unlink()
    stale = harness(copy, "leaderboard", "--check")
    assert (stale.returncode, "README.md" in stale.stderr) == (1, True)
    assert harness(copy, "leaderboard", "recipes/smoke.toml").returncode == 0
    assert (board / "README.md").read_text() == readme


def test_a_new_method_runs_only_its_own_tasks(copy: Path) -> None:
    """And changes nothing in the records of the others: what they cost alone is theirs."""
    before, written = stored(copy), records(copy)
    recipe = copy / "recipes" / "smoke.toml"
    recipe.write_text(
        recipe.read_text()
        + '[methods.best-worst]\nresponses_per_prompt = 4\npairing = { kind = "best-worst" }\n'
        + 'depth = { kind = "uniform", pairs = 2 }\n'
    )
    done = harness(copy, "run", "recipes/smoke.toml")
    assert done.returncode == 0, done.stderr
    new = {name.split("/")[1] for name in set(stored(copy)) - set(before)}
    assert new == {"pairs", "adapter", "outputs", "alpaca_eval", "lm_eval", "knowledge", "preference"}
    assert {row["method"] for row in results(copy)} == {"sft", "dpo-random", "balanced", "best-worst"}
    assert {name: content for name, content in records(copy).items() if name in written} == written


def second_replicate(project: Path) -> set[str]:
    """The artifacts (stage/key) that nothing but the second replicate rests on."""
    cells = build_plan(load_recipe(project / "recipes" / "smoke.toml")).cells
    one, two = (
        {f"{task.stage}/{task.key}" for cell in cells if cell.replicate == n for task in cell.tasks}
        for n in (0, 1)
    )
    return two - one


@pytest.fixture
def half(copy: Path) -> Path:
    """A finished project without its second replicate and its board: 27 tasks, of all stages but one."""
    for name in second_replicate(copy):
        shutil.rmtree(copy / ".harness" / name)
    shutil.rmtree(copy / "leaderboards")
    return copy


def heed_interrupts() -> None:
    """A shell starts background jobs deaf to Ctrl-C; a user at a terminal is not in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(project: Path, recipe: str) -> subprocess.Popen[str]:
    """Begin a run with one worker."""
    return subprocess.Popen(
        [str(HARNESS), "run", recipe, "--jobs", "1"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def until_done(run: subprocess.Popen[str], tasks: int) -> None:
    """Read on until so many tasks have been told to be done."""
    assert run.stdout is not None
    told = (line for line in run.stdout if re.match(r" *\d+/\d+ ", line))
    assert len(list(islice(told, tasks))) == tasks


def test_a_broken_run_goes_on_to_the_same_board(half: Path, finished: Path) -> None:
    """Stopped in three ways, each after six more tasks: nothing is done twice, the board is a whole run's."""
    before = stored(half)
    for sign, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)):
        with start(half, "recipes/smoke.toml") as run:
            until_done(run, 6)
            os.kill(run.pid, sign)
            _, errors = run.communicate()
        assert run.returncode == code
        assert ("the same command goes on" in errors) == (sign != signal.SIGKILL)
        after = stored(half)
        assert {name: after[name] for name in before} == before
        assert len(after) >= len(before) + 6
        before = after
    assert harness(half, "run", "recipes/smoke.toml").returncode == 0
    after = stored(half)
    assert {name: after[name] for name in before} == before
    assert results(half) == results(finished)
    assert counts(half) == counts(finished)


def test_runs_on_one_store_share_their_work(half: Path, finished: Path) -> None:
    """Two of the same recipe and one of another with a part of its methods, all at once: each task is done by
    one of them, and both boards are right. That the recipe is changed meanwhile is nothing to them.
    """
    recipe, part = half / "recipes" / "smoke.toml", half / "recipes" / "part.toml"
    part.write_text(recipe.read_text().partition("[methods.balanced]")[0])
    before, lacking = stored(half), second_replicate(half)
    runs = [start(half, f"recipes/{name}.toml") for name in ("smoke", "smoke", "part")]
    for run in runs:
        until_done(run, 1)
    recipe.write_text(recipe.read_text().replace("steps = 4", "steps = 5").replace("baseline", "base line"))
    ends = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], ends
    done = [re.search(r"(\d+) tasks done, (\d+) found", output) for output, _ in ends]
    assert sum(int(found[1]) for found in done if found) == len(lacking)
    after = stored(half)
    assert {name: after[name] for name in before} == before
    assert {name.removeprefix(".harness/") for name in set(after) - set(before)} == lacking
    assert not list((half / ".harness" / "claims").iterdir())
    assert results(half) == results(finished)
    assert counts(half) == counts(finished)
    whole, parts = (measured(project, name) for project, name in ((finished, "smoke"), (half, "part")))
    assert set(parts) == {f"{method}.{n}.json" for method in ("sft", "dpo-random") for n in (0, 1)}
    assert parts == {name: whole[name] for name in parts}


def test_a_flipped_byte_has_its_own_task_done_again_and_no_other(copy: Path, finished: Path) -> None:
    """In what all rests on and a finished run still reads, and in a bank, whose pairs must be made anew."""
    before = stored(copy)
    (base,) = (copy / ".harness" / "base_model").glob("*/result.json")
    base.write_bytes(base.read_bytes().replace(b"template", b"tEmplate"))
    pairs, bank = next(
        (path.parent, copy / ".harness" / "gradients" / inputs["gradients"])
        for path in sorted((copy / ".harness" / "pairs").glob("*/manifest.json"))
        if "gradients" in (inputs := json.loads(path.read_text())["inputs"])
    )
    flip(bank / "gradients.npy", random.Random(0))
    shutil.rmtree(pairs)
    done = harness(copy, "run", "recipes/smoke.toml")
    assert done.returncode == 0, done.stderr
    assert " ".join(done.stdout.split()).count("does not match its digest") == 2
    after = stored(copy)
    redone = {copy / name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert redone == {base.parent, bank, pairs}
    assert kills.results(copy) == kills.results(finished)


def test_a_failed_method_leaves_the_others_standing(copy: Path) -> None:
    """24 clusters of 24 pairs less the ties: known only when the pairs are there, so the task fails."""
    recipe = copy / "recipes" / "smoke.toml"
    recipe.write_text(
        recipe.read_text()
        + "[methods.greedy]\nresponses_per_prompt = 2\n"
        + 'depth = { kind = "gradient-clusters", clusters = 24 }\n'
    )
    done = harness(copy, "run", "recipes/smoke.toml")
    assert done.returncode == 1
    assert "pairs of greedy/" in done.stderr
    assert "failed: " in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert {row["method"] for row in results(copy)} == {"sft", "dpo-random", "balanced"}


def test_a_failure_takes_no_earlier_record_from_the_board(copy: Path) -> None:
    """The store is gone and cannot be filled again for one method: its records stay as they were."""
    store, board = copy / ".harness", copy / "leaderboards" / "smoke"
    before = {path.name: path.read_bytes() for path in (board / "records").glob("balanced.*")}
    for stage in ("gradients", "pairs", "adapter", "outputs", "alpaca_eval", "lm_eval", "preference"):
        shutil.rmtree(store / stage)
    (store / "gradients").write_text("in the way")
    done = harness(copy, "run", "recipes/smoke.toml")
    assert done.returncode == 1
    assert "gradients of balanced/0 failed" in done.stderr
    assert {path.name: path.read_bytes() for path in (board / "records").glob("balanced.*")} == before
    assert {row["method"] for row in results(copy)} == {"sft", "dpo-random", "balanced"}


def test_plan_and_show_read_what_is_there(finished: Path) -> None:
    """56 tasks, and in each of two replicates the stored reference of dpo-random, which has no bank."""
    plan = harness(finished, "plan", "recipes/smoke.toml")
    assert "0 of 58 tasks to run" in plan.stdout
    assert "by the spread on the board" in " ".join(plan.stdout.split())
    show = harness(finished, "show", "recipes/smoke.toml", "balanced", "--count", "2")
    assert show.returncode == 0, show.stderr
    assert show.stdout.count("dpo-random") == 2
    told = harness(finished, "show", "recipes/smoke.toml", "balanced", "--count", "2", "--json")
    said = json.loads(told.stdout)
    assert [said[name] for name in ("recipe", "method", "baseline", "replicate")] == [
        "smoke", "balanced", "dpo-random", 0
    ]  # fmt: skip
    assert [len(one["outputs"]) for one in said["prompts"]] == [2, 2]
    for one in said["prompts"]:
        assert one["reference"][:20] in show.stdout
        for output in one["outputs"]:
            assert output["text"][:20] in show.stdout
            assert output["verdict"] in show.stdout
            assert 1 <= output["preference"] <= 2
    wrong = harness(finished, "show", "recipes/smoke.toml", "balance")
    assert (wrong.returncode, "Did you mean 'balanced'?" in wrong.stderr) == (2, True)


SHARDS = "".join(
    f"[resources.{stage}]\nshards = 2\n" for stage in ("responses", "scores", "gradients", "embeddings")
)


def test_ray_comes_to_the_same_board_whatever_is_killed(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In shards, on a cluster of two workers: one of them is killed at a task, then the program itself. What
    it had started ends, and the next run goes on.
    """
    pytest.importorskip("ray", reason="Ray is an extra: pip install 'harness[ray]'")
    project = make_project(tmp_path / "project")
    with (project / "recipes" / "smoke.toml").open("a") as recipe:
        recipe.write(SHARDS)
    words = ("run", "recipes/smoke.toml", "--engine", "ray", "--jobs", "2")
    folder = tempfile.mkdtemp(prefix="rt-", dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    with subprocess.Popen([HARNESS, *words], cwd=project, stdout=subprocess.PIPE) as run:
        wait_for(project, 5)
        at_work(run).kill()
        wait_for(project, 15)
        family = psutil.Process(run.pid).children(recursive=True)
        run.kill()
    before = stored(project)
    done = harness(project, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: made for path, made in stored(project).items() if path in before} == before
    assert psutil.wait_procs(family, 30)[1] == []
    sharded, whole = (kills.results(each, "tokens_padding") for each in (project, finished))
    assert sharded == whole  # with all counts but pads: shards are sampled in other batches
    assert len(list(Path(folder).iterdir())) == 1  # Ray's logs, which a killed program cannot remove
    shutil.rmtree(folder)


def wait_for(project: Path, artifacts: int) -> None:
    """Until so many are stored."""
    while len(stored(project)) < artifacts:
        time.sleep(0.1)


def at_work(run: subprocess.Popen[bytes]) -> psutil.Process:
    """A Ray worker that has a task: it is called by the task's stage."""
    titles = {f"ray::{stage}" for stage in STAGES}
    while True:
        for process in psutil.Process(run.pid).children(recursive=True):
            with suppress(psutil.Error):
                if titles & set(process.cmdline()[:1]):
                    return process
        time.sleep(0.05)
