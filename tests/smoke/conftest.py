"""One whole run of the smoke recipe, which every test of this folder starts from."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from smoke_project import harness, make_project, second_replicate


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose smoke recipe has been run without a break; tests copy it before they change it.

    Of the processes that share the tests, the first to ask makes it, and the others wait for it.
    """
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    project, whole = folder / "finished", folder / "finished.done"
    with FileLock(folder / "finished.lock"):
        if not whole.exists():
            make_project(project)
            done = harness(project, "run", "recipes/smoke.toml", "--jobs", "2")
            assert done.returncode == 0, done.stdout + done.stderr
            whole.touch()
    return project


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "project")


@pytest.fixture
def half(copy: Path) -> Path:
    """A finished project without its second replicate and its board: 27 tasks, of all stages but one."""
    for name in second_replicate(copy):
        shutil.rmtree(copy / ".harness" / name)
    shutil.rmtree(copy / "leaderboards")
    return copy
