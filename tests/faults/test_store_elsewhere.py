"""A store on another disk, and one that nobody may write to."""

import shutil
import subprocess
from pathlib import Path

import pytest
from smoke_project import harness
from test_kills import SMALL

pytestmark = pytest.mark.slow


def test_a_disk_of_its_own_that_gets_full_then_is_read_only(
    disk: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Room for the model (1.4 MB) comes late: one sentence, exit code 2. Then all is there to read."""
    project, store = tmp_path_factory.mktemp("project"), ["--store", str(disk / "store")]
    (project / "recipes").mkdir()
    (project / "recipes" / "small.toml").write_text(SMALL)
    done = harness(project, "run", "recipes/small.toml", *store)
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "the disk is full. Finished tasks" in done.stderr
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    done = harness(project, "run", "recipes/small.toml", *store)
    assert done.returncode == 0, done.stdout + done.stderr
    board = (project / "leaderboards" / "small" / "README.md").read_text()
    shutil.rmtree(project / "leaderboards")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(OSError, match="Read-only"):
        (disk / "x").touch()
    for words in (
        ["run", "recipes/small.toml"], ["plan", "recipes/small.toml"], ["show", "recipes/small.toml", "dpo"],
        ["store", "verify"], ["store", "list"], ["store", "gc", "recipes/small.toml"],
    ):  # fmt: skip
        done = harness(project, *words, *store)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "leaderboards" / "small" / "README.md").read_text() == board
    (project / "recipes" / "small.toml").write_text(SMALL.replace("steps = 3", "steps = 4"))
    done = harness(project, "run", "recipes/small.toml", *store)
    assert done.returncode == 2
    assert (
        "the store cannot be written: Read-only file system. Choose another folder with --store"
        in done.stderr
    )
