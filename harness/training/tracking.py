"""Experiment trackers: where the metrics of each step are sent. Loads no torch until a training starts."""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.losses import PairLogprobs


@dataclass(frozen=True)
class Tracking:
    """One training's run in a tracker of transformers (`report_to`).

    `group` is the recipe, `name` the method and replicate, `folder` where what stays on this disk is put.
    """

    report_to: str
    group: str
    name: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the trackers read from the environment; those that a user may set give way to the user's."""
        given = {
            "WANDB_PROJECT": "harness",
            "WANDB_DIR": str(self.folder),
            "WANDB_SILENT": "true",
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder / 'mlflow.db'}",
            "TRACKIO_DIR": str(self.folder / "trackio"),
        }
        return {name: value for name, value in given.items() if name not in os.environ} | {
            "TENSORBOARD_LOGGING_DIR": str(self.folder / self.group / self.name),
            "WANDB_RUN_GROUP": self.group,
            "MLFLOW_EXPERIMENT_NAME": self.group,
        }


def load_tracker(tracking: Tracking) -> None:
    """Import a tracker, so that its loading is not charged to the training that comes first."""
    importlib.import_module(
        "torch.utils.tensorboard" if tracking.report_to == "tensorboard" else tracking.report_to
    )


def pair_metrics(pairs: "PairLogprobs") -> dict[str, "Tensor"]:
    """Means over a forward pass, as trackers name them; loss and learning rate come with them."""
    from harness.methods.losses import implicit_rewards

    rewards = implicit_rewards(pairs)
    return {
        "margin": rewards.margin.mean(),
        "accuracy": rewards.accuracy.mean(),
        "chosen_log_ratio": rewards.chosen.mean(),
        "rejected_log_ratio": rewards.rejected.mean(),
    }


def tracking_arguments(tracking: Tracking | None) -> dict[str, Any]:
    """The training arguments that send every step to the tracker, or none anywhere."""
    if tracking is None:
        return {"report_to": "none", "logging_strategy": "no"}
    return {
        "report_to": [tracking.report_to],
        "run_name": tracking.name,
        "project": tracking.group,
        "logging_strategy": "steps",
        "logging_steps": 1,
    }


@contextmanager
def tracked(tracking: Tracking | None) -> Iterator[None]:
    """Give the tracker its names for the training inside the block, and end its run after it."""
    if tracking is None:
        yield
        return
    from unittest.mock import patch  # loads much, and every command loads this module

    tracking.folder.mkdir(parents=True, exist_ok=True)
    with patch.dict(os.environ, tracking.environment):
        try:
            yield
        finally:
            if "wandb" in sys.modules:  # the others end their runs themselves
                sys.modules["wandb"].finish()
