"""The board of a run on Ray."""

import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from smoke_project import HARNESS, harness, stored

from benchmarks import kills
from harness.plan.catalog import STAGES

pytestmark = pytest.mark.slow

KEY, SECRET = "OPENAI_API_KEY", "sk-Planted-0123456789abcdef"
SHARDS = "".join(
    f"[resources.{stage}]\nshards = 2\n" for stage in ("responses", "scores", "gradients", "embeddings")
)


def test_ray_comes_to_the_same_board_whatever_is_killed(
    half: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In shards, on a cluster of two workers: one of them is killed at a task, then the program itself. What
    it had started ends, and the next run goes on. The key of an endpoint, which is in the environment of all
    processes, is in no file of Ray's or of the project.
    """
    pytest.importorskip("ray", reason="Ray is an extra: pip install 'harness[ray]'")
    with (half / "recipes" / "smoke.toml").open("a") as recipe:
        recipe.write(SHARDS)
    there, words = len(stored(half)), ("run", "recipes/smoke.toml", "--engine", "ray", "--jobs", "2")
    folder = tempfile.mkdtemp(prefix="rt-", dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.setenv(KEY, SECRET)
    with subprocess.Popen([HARNESS, *words], cwd=half, stdout=subprocess.PIPE) as run:
        wait_for(half, there + 3)
        at_work(run).kill()
        wait_for(half, there + 10)
        family = psutil.Process(run.pid).children(recursive=True)
        assert SECRET in {key_in(process) for process in family}
        run.kill()
    before = stored(half)
    done = harness(half, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: made for path, made in stored(half).items() if path in before} == before
    assert psutil.wait_procs(family, timeout=120)[1] == []
    sharded, whole = (kills.results(each, "tokens_padding") for each in (half, finished))
    assert sharded == whole  # with all counts but pads: shards are sampled in other batches
    assert len(list(Path(folder).iterdir())) == 1  # Ray's logs, which a killed program cannot remove
    assert SECRET not in done.stdout + done.stderr
    for path in (*Path(folder).rglob("*"), *half.rglob("*")):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    shutil.rmtree(folder)


def key_in(process: psutil.Process) -> str | None:
    """The key in a process's environment, as far as that can be read."""
    with suppress(psutil.Error):
        key: str | None = process.environ().get(KEY)
        return key
    return None


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
