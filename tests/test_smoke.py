"""The whole pipeline through the real command line, on the smoke recipe: run, stop, break, go on."""

import json
import random
import shutil
from pathlib import Path

import pytest
from smoke_project import harness, records, results, stored, table

from benchmarks import kills
from benchmarks.flips import flip, found

pytestmark = pytest.mark.slow


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
    assert set(rows["balanced"]["cost"]["alone"]) - {"peak_device_bytes"} == {
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


def test_a_second_run_does_nothing_and_ends_with_the_ranked_table(copy: Path) -> None:
    before, written = stored(copy), records(copy)
    done = harness(copy, "run", "recipes/smoke.toml")
    lines = done.stdout.splitlines()
    assert "0 tasks done" in lines[-1]
    (head,) = (at for at, line in enumerate(lines) if line.split()[:3] == ["rank", "place", "method"])
    rows = [(str(row["rank"]), row["method"]) for row in table(copy)["rows"]]
    shown = [line.split() for line in lines[head + 1 :][: len(rows)]]
    assert [(words[0], words[2]) for words in shown] == rows
    assert lines[-2].startswith("board: ")
    assert stored(copy) == before
    assert records(copy) == written, "with all their costs"
    assert harness(copy, "leaderboard", "--check").returncode == 0


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


def test_a_flipped_byte_in_any_file_is_found_and_named(copy: Path) -> None:
    flipped, missed = found(copy / ".harness", random.Random(0))
    assert missed == []
    assert flipped > 2 * len(stored(copy)), "each artifact has a manifest and at least one file"


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
