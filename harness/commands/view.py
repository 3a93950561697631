"""What a run shows while it works: a live view on a terminal, one line for each task elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from harness.commands.words import harmless
from harness.engines.base import Event
from harness.plan.task import Task


class RunView:
    """Takes the engine's events. `seconds` are what each task of the run is expected to take, by key."""

    def __init__(
        self, console: Console, users: Mapping[str, tuple[str, ...]], seconds: Mapping[str, float], jobs: int
    ) -> None:
        self._console, self._users, self._seconds, self._jobs = console, users, dict(seconds), jobs
        self._total, self._finished = len(seconds), 0
        self._started: dict[str, float] = {}
        self._rows: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._all = self._progress.add_task("run", total=sum(seconds.values()), note="")

    def __enter__(self) -> "RunView":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event.kind:
            case "started":
                self._start(event.task)
            case "progress":
                self._progress.update(self._rows[event.task.key], completed=event.done, total=event.of)
            case "finished":
                self._finish(event.task)
                self._line(event.task, "done")
            case "found":
                self._finish(event.task)
                self._line(event.task, "done by another run")
            case "failed":
                self._finish(event.task)
                self._line(event.task, f"[red]failed[/red]: {escape(harmless(event.reason))}")
            case "redo":
                self._progress.remove_task(self._rows.pop(event.task.key))
                self._total += event.made_again
                self._line(
                    event.task,
                    f"[yellow]waits for a changed input[/yellow]: {escape(harmless(event.reason))}",
                )

    def label(self, task: Task) -> str:
        """`stage method/replicate`, or how many methods share the task; of a shard, which it is."""
        users = self._users.get(task.key, ())
        who = ", ".join(users) if len(users) <= 2 else f"{len(users)} rows"
        shard = f", shard {task.shard[0] + 1} of {task.shard[1]}" if task.shard else ""
        return f"{task.stage} {who}{shard}"

    def _start(self, task: Task) -> None:
        self._started[task.key] = time.monotonic()
        self._rows[task.key] = self._progress.add_task(f"  {self.label(task)}", total=None, note="")
        self._summary()

    def _finish(self, task: Task) -> None:
        row = self._rows.pop(task.key, None)
        if row is not None:
            self._progress.remove_task(row)
        self._progress.advance(self._all, self._seconds.pop(task.key, 0.0))
        self._finished += 1
        self._summary()

    def _summary(self) -> None:
        at_once = max(self._jobs, len(self._rows))  # of a cluster, whose workers nobody has counted
        left = sum(self._seconds.values()) / at_once
        note = f"{self._finished}/{self._total} tasks, about {_clock(left)} left"
        self._progress.update(self._all, note=note)

    def _line(self, task: Task, what: str) -> None:
        seconds = time.monotonic() - self._started.get(task.key, time.monotonic())
        text = f"[dim]{self._finished:>4}/{self._total}[/dim] {self.label(task)}: {what} ({seconds:.1f} s)"
        self._progress.console.print(text, highlight=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
