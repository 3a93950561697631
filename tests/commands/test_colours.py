"""Colour is for terminals alone: the real command at a pseudo-terminal, there with NO_COLOR, and piped."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "leaderboards" / "bpo" / "records"
ABOUT_TERMINALS = {"NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
PLAIN = {name: value for name, value in os.environ.items() if name not in ABOUT_TERMINALS}
ENVIRONMENT = PLAIN | {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
SAID = "no record of the recipe's method balanced"


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Makes a board whose recipe has methods without a record, which is said in yellow."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "bpo.toml").write_bytes((ROOT / "recipes" / "bpo.toml").read_bytes())
    records = tmp_path / "leaderboards" / "bpo" / "records"
    records.mkdir(parents=True)
    for name in ("dpo-random.0.json", "null.0.json"):
        (records / name).write_bytes((RECORDS / name).read_bytes())
    return [sys.executable, "-m", "harness", "leaderboard", "--boards", str(tmp_path / "leaderboards")]


def at_terminal(command: list[str], **more: str) -> str:
    """What a command writes to a terminal."""
    ours, its = pty.openpty()
    with subprocess.Popen(command, env=ENVIRONMENT | more, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        written = b""
        while chunk := read(ours):
            written += chunk
    os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode()


def read(terminal: int) -> bytes:
    """What comes next; nothing once the other side is closed, which Linux calls an error."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def styles(text: str) -> set[int]:
    """The numbers of all styles that are set (ECMA-48, SGR)."""
    return {int(n) for codes in re.findall(r"\x1b\[([\d;]*)m", text) for n in codes.split(";") if n}


def words(text: str) -> str:
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", text).split())


def test_a_terminal_has_colour(command: list[str]) -> None:
    """Yellow is 33."""
    written = at_terminal(command)
    assert 33 in styles(written)
    assert SAID in words(written)


def test_no_color_leaves_bold_and_italic_at_most(command: list[str]) -> None:
    """Styles 0 to 9 are none, weight, slant and lines; colours begin at 30."""
    written = at_terminal(command, NO_COLOR="1")
    assert styles(written) <= set(range(10))
    assert SAID in words(written)


def test_piped_there_is_no_escape_at_all(command: list[str]) -> None:
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout + done.stderr
    assert SAID in words(done.stdout)
