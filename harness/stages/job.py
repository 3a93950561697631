"""What a stage is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.metering import Meter
from harness.recipe.launching import ALONE, Launch
from harness.training.tracking import Tracking


@dataclass(frozen=True)
class Job:
    """One task as its stage sees it.

    `params` are the task's parameters, `inputs` the folders of its input artifacts by name, `out` the folder
    to fill, `meter` takes the counts of what was done, `progress` is told (done, of). `scratch` gives a
    second folder, where a stage that takes long writes what must survive if the process does not: it is
    there again at the next try, and its files (not its folders) join those of `out` at the end. `tracking`
    and `launch` are for stages that train: where to report to, and which processes share the work.
    `knobs` are the task's, which change nothing in its result, and `journal` is the folder where what is
    paid for is written down. `parts` are the folders of shards of the work, in order, which are all of it.
    `claim` is the open file of the task's claim, for processes that may outlive this one.
    """

    params: Mapping[str, Any]
    inputs: Mapping[str, Path]
    out: Path
    meter: Meter
    progress: Callable[[int, int], None]
    scratch: Callable[[], Path]
    tracking: Tracking | None = None
    launch: Launch = ALONE
    knobs: Mapping[str, Any] = field(default_factory=dict)
    journal: Path | None = None
    parts: Sequence[Path] = ()
    claim: int | None = None
