"""A process is stopped before each thing that it does to the file system: see `each_moment.py`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
POWER = "missing,empty,cut,zeros,hole,any"


def stops(subject: str, folder: Path, *words: str) -> int:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("each_moment.py")), subject, str(folder), *words],
        cwd=ROOT,
        env={
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("subject", ["artifact", "discard", "board", "journal"])
def test_killed_before_each_change_of_a_file(subject: str, tmp_path: Path) -> None:
    """The pieces of a bank, the commit by rename, a removal, records and a board, paid calls."""
    assert stops(subject, tmp_path, "kill") > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("subject", "harms"),
    [("artifact", "missing,zeros,any,lies"), ("journal", POWER), ("discard", "any"), ("board", "any")],
)
def test_power_is_lost_before_each_change_of_a_file(subject: str, harms: str, tmp_path: Path) -> None:
    """What was flushed is there and whole, and the next process comes to the same result; where the disk
    lies, to the same result.
    """
    assert stops(subject, tmp_path, harms) > 10


@pytest.mark.slow
def test_killed_between_the_files_of_a_checkpoint(tiny_base: Path, tmp_path: Path) -> None:
    """Three checkpoints of about ten files each; every 31st event is tried."""
    assert stops("training", tmp_path, "kill", "31", str(tiny_base)) >= 3


@pytest.mark.slow
def test_power_is_lost_between_the_files_of_a_checkpoint(tiny_base: Path, tmp_path: Path) -> None:
    """The same, every 61st event; also on a disk that lies."""
    assert stops("training", tmp_path, "any,lies", "61", str(tiny_base)) > 3
