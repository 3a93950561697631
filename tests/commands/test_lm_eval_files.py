"""lm-eval's own result files beside the records."""

import os
from itertools import count
from pathlib import Path

import pytest

from harness.commands.lm_eval_files import write_results
from harness.leaderboard import files
from harness.plan.build import Cell
from harness.plan.task import Task
from harness.store.local import LocalStore


def test_results_come_and_go_with_their_record(tmp_path: Path) -> None:
    """Single answers stay in the store; what a past run left, and what has no record, goes."""
    store, board, task = LocalStore(tmp_path / "store"), tmp_path / "board", Task("lm_eval", {}, {})
    with store.create(task.identity) as draft:
        (draft.folder / "lm_eval").mkdir()
        for name in ("results_now.json", "samples_a_now.jsonl"):
            (draft.folder / "lm_eval" / name).write_text("{}")
    for old in ("dpo.0", "gone.0"):
        (board / "lm_eval" / old).mkdir(parents=True)
        (board / "lm_eval" / old / "results_then.json").write_text("{}")
    cells = [Cell("dpo", 0, {"lm_eval": task}), Cell("null", 0, {}), Cell("failed", 0, {"lm_eval": task})]
    write_results(board, cells, store, {"dpo.0", "null.0"})
    found = [path.relative_to(board).as_posix() for path in board.rglob("*") if path.is_file()]
    assert found == ["lm_eval/dpo.0/results_now.json"]


def test_two_runs_that_end_at_once_write_the_same_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes and goes while the first has half a file, which stays the first's."""
    store, board, task = LocalStore(tmp_path / "store"), tmp_path / "board", Task("lm_eval", {}, {})
    with store.create(task.identity) as draft:
        (draft.folder / "lm_eval").mkdir()
        (draft.folder / "lm_eval" / "results_now.json").write_text("{}")
    runs = [lambda _: None, lambda _: write()]
    monkeypatch.setattr(files, "flush_one", lambda path: runs.pop()(path))
    monkeypatch.setattr(os, "getpid", count().__next__)

    def write() -> None:
        write_results(board, [Cell("dpo", 0, {"lm_eval": task})], store, {"dpo.0"})

    write()
    assert not runs
    assert [path.name for path in board.rglob("*") if path.is_file()] == ["results_now.json"]
