"""A process is killed before each thing that it does to the file system: see `each_moment.py`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def kills(subject: str, folder: Path, *words: str) -> int:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("each_moment.py")), subject, str(folder), *words],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("subject", ["artifact", "discard", "board"])
def test_killed_before_each_change_of_a_file(subject: str, tmp_path: Path) -> None:
    """The pieces of a bank, the commit by rename, a removal, records and a board."""
    assert kills(subject, tmp_path) > 10


@pytest.mark.slow
def test_killed_between_the_files_of_a_checkpoint(tiny_base: Path, tmp_path: Path) -> None:
    """Three checkpoints of about ten files each; every 9th event is tried."""
    assert kills("training", tmp_path, "9", str(tiny_base)) > 3
