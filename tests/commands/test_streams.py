"""Output that is closed, full, gone or of another encoding: a sentence or nothing, and never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of bash; `harness` in it is the command."""
    command = f"harness() {{ '{sys.executable}' -m harness \"$@\"; }}; {line}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("harness methods | true; exit ${PIPESTATUS[0]}", 1, b""),
        ("harness methods > /dev/full", 1, b"harness: the output: No space left on device.\n"),
        ("harness methods >&-", 0, b""),
        ("harness check none.toml <&- >&- 2>&-", 2, b""),
    ],
)
def test_what_becomes_of_output_that_nobody_takes(line: str, code: int, told: bytes, tmp_path: Path) -> None:
    done = shell(line, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", told)


def test_signs_that_the_terminal_lacks_are_escapes(tmp_path: Path) -> None:
    """A difference is shown with its plus-minus sign."""
    boards = [f"'{ROOT / 'leaderboards' / name}'" for name in ("bpo", "bpo-pairs")]
    done = shell(f"harness compare {' '.join(boards)}", tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b" \\xb1 " in done.stdout
