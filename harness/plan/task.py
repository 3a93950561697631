"""A task: one instance of a stage, and the key made from all that can change its result."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.plan.catalog import STAGES
from harness.store.keys import KEY_LENGTH, Identity, digest


@dataclass(frozen=True, eq=False)
class Task:
    """One piece of work: a stage, its parameters, and the tasks whose artifacts it reads, by name.

    `knobs` cannot change the result and are not in the key: where files lie, how fast to ask an endpoint.
    Nor are `parts`: shards of this very work, done beforehand, from which the result is put together.
    """

    stage: str
    params: Mapping[str, Any]
    inputs: Mapping[str, "Task"]
    knobs: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple["Task", ...] = ()

    @property
    def needs(self) -> tuple["Task", ...]:
        """The tasks that must be done before this one."""
        return (*self.inputs.values(), *self.parts)

    @property
    def shard(self) -> tuple[int, int] | None:
        """(number, how many) where the task is a shard of another."""
        number, of = self.params.get("shard", (0, 0))
        return (number, of) if of else None

    @property
    def share(self) -> float:
        """How much of its stage's work is done in it: a shard's part, and nothing where shards are joined."""
        return 0.0 if self.parts else 1 / self.shard[1] if self.shard else 1.0

    @cached_property
    def key(self) -> str:
        """Hash of stage, hand-kept version, parameters and the keys of the inputs."""
        return self.key_at(STAGES[self.stage].version)

    def key_at(self, version: int) -> str:
        """The key that the task would have if its stage were of this version."""
        identity = {
            "stage": self.stage,
            "version": version,
            "params": self.params,
            "inputs": {name: task.key for name, task in self.inputs.items()},
        }
        return digest(identity)[:KEY_LENGTH]

    @property
    def identity(self) -> Identity:
        """The same facts as the store states them in the manifest."""
        return Identity(
            stage=self.stage,
            key=self.key,
            version=STAGES[self.stage].version,
            params=self.params,
            inputs={name: task.key for name, task in self.inputs.items()},
        )


def in_order(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """These tasks and all that they need, each once, inputs before users."""
    found: dict[str, Task] = {}

    def visit(task: Task) -> None:
        if task.key in found:
            return
        for needed in task.needs:
            visit(needed)
        found[task.key] = task

    for task in tasks:
        visit(task)
    return tuple(found.values())
