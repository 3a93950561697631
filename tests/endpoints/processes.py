"""Runs `asking.py` in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from chat_server import ChatServer

SCRIPT = Path(__file__).parent / "asking.py"
ROOT = SCRIPT.parents[2]


def start(server: ChatServer, folder: Path, items: list[str], **settings: Any) -> "subprocess.Popen[str]":
    """A process that asks for all items; a call may take as long as another process takes to start."""
    told = {"folder": str(folder), "questions": items, "url": server.url, "timeout_s": 120.0, **settings}
    return subprocess.Popen(
        [sys.executable, SCRIPT, json.dumps(told)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> str:
    """What a process printed, once it is done; it must not have failed."""
    out, wrong = process.communicate(timeout=300)
    assert process.returncode == 0, wrong
    return out


def two_at_once(
    server: ChatServer, folder: Path, items: list[str], others: list[str], **settings: Any
) -> tuple[str, str]:
    """What two processes printed that shared a journal, with 8 threads each."""
    one = start(server, folder, items, concurrency=8, **settings)
    other = start(server, folder, others, concurrency=8, **settings)
    return finish(one), finish(other)


def totals_of(printed: str) -> dict[str, Any]:
    """The totals that a process printed."""
    totals: dict[str, Any] = json.loads(printed)
    return totals
