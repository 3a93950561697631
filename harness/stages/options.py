"""How a run goes, which changes nothing that it gives and enters no key. Loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from harness.errors import BadInput
from harness.plan.task import Task
from harness.recipe.launching import ALONE, Launch
from harness.training.tracking import Tracking

TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")
NO_TRACKER = "none"


@dataclass(frozen=True)
class Options:
    """How a run goes.

    `report_to` is a tracker, `recipe` and `names` (by key of the training) what its runs are called there.
    `launch` says which processes share each training. `energy` reads the energy counters: whether several
    tasks run at a time, or None: it does not. `targets` are the layers that trainings put an adapter on, None
    for all of them: no task reads a base model that lacks one.
    """

    report_to: str = NO_TRACKER
    recipe: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    launch: Launch = ALONE
    energy: bool | None = None
    targets: tuple[str, ...] | None = None

    def launch_of(self, task: Task) -> Launch:
        """Which processes share a task; only trainings that a method ends with are shared."""
        return self.launch if task.stage == "adapter" else ALONE

    def tracking(self, task: Task, store: Path) -> Tracking | None:
        """Where a task reports to: a training that a method ends with; None for the others."""
        if self.report_to == NO_TRACKER or task.key not in self.names:
            return None
        return Tracking(self.report_to, self.recipe, self.names[task.key], store / "tracking")


USUAL = Options()
"""No tracker, and one process for each training."""


def tracker_of(wanted: str | None) -> str:
    """The tracker that is asked for; TensorBoard, where it is installed, if none is.

    Raises:
        BadInput: there is none of that name, or it is not installed.
    """
    if wanted is None:
        return "tensorboard" if find_spec("tensorboard") else NO_TRACKER
    if wanted not in (*TRACKERS, NO_TRACKER):
        raise BadInput(f"--report-to: must be one of {', '.join((*TRACKERS, NO_TRACKER))}. Got '{wanted}'.")
    if wanted != NO_TRACKER and find_spec(wanted) is None:
        raise BadInput(
            f"--report-to: '{wanted}' is not installed. Install it with `pip install {wanted}`, or give "
            f"--report-to {NO_TRACKER}."
        )
    return wanted


def split_problem(
    pairs_per_step: int,
    micro_batch: int | None,
    batching: str,
    running: bool,
    processes: int,
    prompts_per_step: int | None = None,
) -> str | None:
    """Why so many processes cannot share the steps of a training, as one process would do them; or None.

    Args:
        pairs_per_step: pairs of an optimiser step.
        micro_batch: pairs of one forward pass; None: all of the step.
        batching: "prompts" or "pairs".
        running: whether the loss keeps a state from one micro-batch to the next.
        processes: how many are to share a step.
        prompts_per_step: prompts of a step, none of which is cut in two; None: the data decides.
    """
    if processes == 1:
        return None
    if batching == "pairs":
        return (
            "training.batching: 'pairs' is TRL's, which keeps its reference where no other process finds "
            f"it. Use 'prompts', or one process. Got {processes}."
        )
    if running:
        return (
            "loss: keeps a state from one micro-batch to the next, so the micro-batches of a step cannot go "
            f"to {processes} processes. Train it with one (--train-processes 1)."
        )
    if pairs_per_step % processes:
        return (
            f"training.pairs_per_step: must be a multiple of the {processes} processes that share a training."
            f" Got {pairs_per_step}."
        )
    size = micro_batch or pairs_per_step
    if pairs_per_step // size % processes:
        return (
            f"training.micro_batch: must leave each of the {processes} processes of a training the same "
            f"share of the {pairs_per_step} pairs of a step. Got {size}; {pairs_per_step // processes} does."
        )
    if prompts_per_step and min(pairs_per_step // size, prompts_per_step) % processes:
        return (
            "training.prompts_per_step: a step has no more forward passes than prompts, and the "
            f"{processes} processes of a training must share them equally. Got {prompts_per_step}. Set it "
            f"to a multiple of {processes}, or use fewer processes."
        )
    return None
