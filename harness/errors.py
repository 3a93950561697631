"""Every error that a user can meet, with its exit code.

HarnessError
├── BadInput            2   a recipe, option or file is wrong: one sentence for each problem
│   └── ShortBudget     2   a budget cannot be met by what a method asks for
├── StoreError          2   the store cannot be read or written
│   ├── CorruptArtifact     an artifact does not match its manifest; the engine redoes it
│   ├── NewerStore          an artifact was written by a newer program
│   └── DiskFull            there is no room for an artifact; the engine stops
├── Diverged            1   a training came to what is no number; that is its result
├── TaskFailed          1   a task raised; the run goes on with what does not depend on it
├── StaleBoard          1   a committed leaderboard is not what its records give
└── Regression          1   a board changed in a way that a condition of `harness compare` forbids
"""

from collections.abc import Mapping, Sequence

INTERRUPTED = "\nInterrupted. All finished tasks are stored; the same command goes on from there."


class HarnessError(Exception):
    """Base of all errors shown to the user as sentences, without a traceback."""

    exit_code = 1


class BadInput(HarnessError):
    """Something the user wrote is wrong; holds one sentence for each problem found."""

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type["BadInput"], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class ShortBudget(BadInput):
    """A method cannot spend its budget; the sentence says what limits it."""


class StoreError(HarnessError):
    """The store cannot be read or written."""

    exit_code = 2


class CorruptArtifact(StoreError):
    """A stored file does not match the digest in its manifest."""

    def __init__(self, stage: str, key: str, reason: str) -> None:
        self.stage, self.key, self.reason = stage, key, reason
        super().__init__(f"{stage}/{key}: {reason}")

    def __reduce__(self) -> tuple[type["CorruptArtifact"], tuple[str, str, str]]:
        return type(self), (self.stage, self.key, self.reason)


class NewerStore(StoreError):
    """A newer program wrote to this store; nothing of it is made again in an older form."""


class DiskFull(StoreError):
    """There is no room on the store's disk."""


class Diverged(HarnessError):
    """A loss, a gradient or weights of a training are not finite; says at which step, and for which pairs.

    `work` is what it had done by then, as `Meter.count` takes it; empty where that is not known.
    """

    work: Mapping[str, int] = {}


class TaskFailed(HarnessError):
    """One or more tasks of a run failed."""


class StaleBoard(HarnessError):
    """A leaderboard is not what its records give, or they are not what its recipe would give now."""


class Regression(HarnessError):
    """A board is worse or costlier than another by as much as a condition names."""
