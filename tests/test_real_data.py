"""The whole pipeline on real text and with a judge behind an endpoint, through the real command line.

Project, recipe, board and data have names that a shell, a template or a path might stumble over.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from chat_server import Say, error, good, question, serving

pytestmark = pytest.mark.slow

HARNESS = Path(sys.executable).with_name("harness")
SECRET, TOKEN = "sk-planted-secret-0123456789", "hf_PlantedToken0123456789"
NAME = """-$(touch pwned) `id` {0.x} %s 'r" & <b>é"""
RECIPE = f"recipes/{NAME}.toml"

SMALL = """
title = "test"
baseline = "dpo"
[seeds]
replicates = [0]
[model]
kind = "random"
hidden = 16
layers = 1
[budget]
responses = 24
[features]
gradients = { rank = 2, dim = 16 }
[training]
steps = 2
pairs_per_step = 8
learning_rate = 1e-2
max_length = 384
"""


def run(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the recipe with one worker."""
    return subprocess.run(
        [HARNESS, "run", RECIPE, "--jobs", "1"],
        cwd=project,
        env=os.environ | {"NO_PROXY": "127.0.0.1", "HF_TOKEN": TOKEN} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def table(project: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project / "leaderboards" / NAME / "table.json").read_text())
    return content


def make_project(folder: Path, recipe: str) -> Path:
    """A project as the only thing in a folder."""
    project = folder / "a\n--b {} $(touch pwned)"
    (project / "recipes").mkdir(parents=True)
    (project / RECIPE).write_text(recipe)
    return project


def check_places(project: Path, *more: str) -> None:
    """Nothing was written outside the store and the folder of boards."""
    assert [path.name for path in project.parent.iterdir()] == [project.name]
    assert {path.name for path in project.iterdir()} == {"recipes", ".harness", "leaderboards", *more}
    assert [path.name for path in (project / "recipes").iterdir()] == [Path(RECIPE).name]
    made = {path.name for path in (project / "leaderboards").iterdir()}
    assert made == {NAME, "README.md", "index.html"}


def command_lines() -> str:
    """Those of all processes, as `ps` shows them."""
    return "\n".join(" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"]))


def test_a_real_pool_goes_the_whole_way(tmp_path: Path, public_data: Path) -> None:
    """HH-RLHF dialogues of several turns; the dataset's two responses join two samples. Breadth needs
    embeddings, depth the gradient bank; a second run does nothing. The board is fresh until its data are
    edited.
    """
    project = make_project(
        tmp_path,
        SMALL
        + """
[pool]
judge = { kind = "length" }
responses = { kind = "both", max_new_tokens = 8 }
[pool.prompts]
kind = "dataset"
path = DATA
count = 12
max_characters = 200
[evaluation.alpaca_eval]
judge = { kind = "length" }
prompts = { kind = "held-out", count = 6 }
samples_per_prompt = 2
max_new_tokens = 8
[methods.start]
[methods.dpo]
responses_per_prompt = 2
[methods.balanced]
responses_per_prompt = 4
breadth = { kind = "clusters" }
depth = { kind = "gradient-clusters", pairs = 2, clusters = 3 }
pairing = { kind = "nearest" }
""".replace("DATA", json.dumps(f"sub/../{NAME}.jsonl.gz")),
    )
    (project / "data" / "sub").mkdir(parents=True)
    shutil.copy(public_data / "hh-rlhf/harmless-base-test.jsonl.gz", project / "data" / f"{NAME}.jsonl.gz")
    done = run(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {row["method"] for row in table(project)["rows"]} == {"start", "dpo", "balanced"}
    assert "the model's weights are random" in (project / "leaderboards" / NAME / "README.md").read_text()
    (responses,) = [
        path
        for path in (project / ".harness" / "responses").glob("*/responses.jsonl")
        if len(path.read_text().splitlines()) == 24 and '"index": 3' in path.read_text()
    ]
    rows = [json.loads(line) for line in responses.read_text().splitlines()]
    assert [row["index"] for row in rows] == [0, 1, 2, 3] * 6
    sampled = [row for row in rows if row["index"] > 1]
    assert all(row["tokens"] <= 8 for row in sampled)
    again = run(project)
    assert "0 tasks done" in again.stdout, again.stdout + again.stderr
    check_places(project, "data")
    check = [str(HARNESS), "leaderboard", "--check"]
    assert subprocess.run(check, cwd=project, capture_output=True, check=False).returncode == 0
    (project / "data" / f"{NAME}.jsonl.gz").write_bytes(b"")
    stale = subprocess.run(check, cwd=project, capture_output=True, text=True, check=False)
    assert (stale.returncode, "stage dataset: reads another sub/../" in stale.stderr) == (1, True)


def verdict(number: int, body: dict[str, Any]) -> Say:
    """The first output is better."""
    return good("It is better. [[A]]")


def test_a_failed_judgment_is_asked_again_and_no_other(tmp_path: Path) -> None:
    """A prompt whose judgments fail leaves its rows unranked; the next run asks for those alone."""
    project = make_project(
        tmp_path,
        SMALL.replace('kind = "random"\nhidden = 16\nlayers = 1', 'kind = "atlas"\nsft_steps = 1')
        + """
[pool]
prompts = { kind = "atlas", count = 12 }
responses = { kind = "sample", max_new_tokens = 8 }
[evaluation.alpaca_eval]
prompts = { kind = "atlas", count = 5 }
samples_per_prompt = 1
max_new_tokens = 8
[evaluation.alpaca_eval.judge]
kind = "endpoint"
base_url = "BASE"
model = "judge-2026-01-01"
key_env = "TEST_KEY"
attempts = 1
[methods.dpo]
responses_per_prompt = 2
""",
    )
    refused: set[str] = set()
    running: list[str] = []

    def refusing(number: int, body: dict[str, Any]) -> Say:
        running.append(command_lines())
        refused.add(question(body)) if number == 2 else None
        return error(400, "content filter") if question(body) in refused else verdict(number, body)

    with serving(refusing) as server:
        recipe = project / RECIPE
        recipe.write_text(recipe.read_text().replace("BASE", server.url))
        keyless = run(project)
        assert (keyless.returncode, server.asked) == (2, [])
        assert "key_env: TEST_KEY is not set." in keyless.stderr
        done = run(project, TEST_KEY=SECRET)
        assert done.returncode == 0, done.stdout + done.stderr
        (row,) = table(project)["rows"]
        assert (row["rank"], row["complete"], row["judgments"]["expected"]) == (None, False, 5)
        paid, missing = server.paid, row["judgments"]["expected"] - row["judgments"]["found"]
        assert missing >= 1
        assert paid == row["judgments"]["found"]
        server.behave = verdict
        again = run(project, TEST_KEY=SECRET)
        assert again.returncode == 0, again.stdout + again.stderr
        assert f"asking again for {missing} verdicts" in again.stdout
        (row,) = table(project)["rows"]
        assert (row["rank"], row["complete"]) == (1, True)
        assert server.paid == paid + missing
    check_places(project)
    assert RECIPE in running[0]
    said = "\n".join([done.stdout, done.stderr, again.stdout, again.stderr, *running])
    for secret in (SECRET, TOKEN):
        assert secret not in said
        for path in project.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes()
