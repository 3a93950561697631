"""One run of small tasks, as a process: `python two_runs.py STORE NAME TASK...` prints how each task ended.

Every task that is done writes a line of its name, its key and its times to the store's `log`.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from harness.engines.base import Event
from harness.engines.local import LocalEngine
from harness.plan.task import Task
from harness.store.local import LocalStore

SECONDS = 0.2


def work(task: Task, root: Path, progress: Callable[[int, int], None]) -> bool:
    """As `run_task`: wait for whoever makes the artifact, and make it where it is not there then."""
    store = LocalStore(root)
    with store.claim(task.stage, task.key):
        if store.has(task.stage, task.key):
            return False
        for needed in task.inputs.values():
            store.open(needed.stage, needed.key)
        with store.create(task.identity) as draft:
            began = time.time()
            time.sleep(SECONDS)
            (draft.folder / "result").write_text(task.key)
            note(root / "log", f"{task.key} {began} {time.time()} {os.getppid()}")
    return True


def note(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(line + "\n")


def tasks(names: str) -> list[Task]:
    """A base that all share, and one task upon it for each letter."""
    base = Task("base_model", {}, {})
    return [base, *(Task("prompts", {"name": name}, {"base": base}) for name in names)]


def main() -> None:
    """Run what was asked for with two workers."""
    store = LocalStore(Path(sys.argv[1]))
    with store.in_use():
        store.prepare()
        ends: dict[str, list[str]] = {"finished": [], "found": [], "failed": []}

        def report(event: Event) -> None:
            if event.kind in ends:
                ends[event.kind].append(event.task.key)

        outcome = LocalEngine(store, work, 2).run(tasks(sys.argv[2]), report)
        print({kind: len(keys) for kind, keys in ends.items()}, len(outcome.stored))


if __name__ == "__main__":
    main()
