"""What a tracker is told of a training, and that telling changes nothing."""

import os
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file
from test_preference_training import PAIRS, SETTINGS
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from harness.training.preference import train
from harness.training.runtime import Runtime
from harness.training.tracking import Tracking, load_tracker


class Recorder(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """A tracker that keeps what it is given."""

    told: ClassVar[list[dict[str, Any]]] = []
    about: ClassVar[dict[str, str]] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        Recorder.about = {
            "name": args.run_name,
            "project": args.project,
            "wandb": os.environ["WANDB_RUN_GROUP"],
            "mlflow": os.environ["MLFLOW_EXPERIMENT_NAME"],
            "tensorboard": os.environ["TENSORBOARD_LOGGING_DIR"],
        }

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        Recorder.told.append({"step": state.global_step, **logs})


def test_a_tracker_gets_names_and_every_step_and_changes_nothing(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is named after method and replicate, its group after the recipe.

    The metrics of a step are those of the report. The first margin is 0, as are both log-ratios.
    """
    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "recorder", Recorder)
    monkeypatch.setattr(Recorder, "told", [])
    tracking = Tracking("recorder", "bpo", "balanced.0", tmp_path / "tracking")
    report = train(tiny_base, PAIRS, SETTINGS, tmp_path / "told", Runtime(tracking=tracking))
    assert Recorder.about == {
        "name": "balanced.0",
        "project": "bpo",
        "wandb": "bpo",
        "mlflow": "bpo",
        "tensorboard": str(tmp_path / "tracking" / "bpo" / "balanced.0"),
    }
    assert "WANDB_RUN_GROUP" not in os.environ
    steps = [entry for entry in Recorder.told if "margin" in entry]
    assert [entry["step"] for entry in steps] == [1, 2, 3, 4]
    for entry, step in zip(steps, report.history, strict=True):
        assert entry["loss"] == pytest.approx(step.loss, rel=1e-5)
        assert entry["margin"] == pytest.approx(step.margin, abs=1e-5)
        assert entry["accuracy"] == step.accuracy
        gap = entry["chosen_log_ratio"] - entry["rejected_log_ratio"]
        assert gap == pytest.approx(entry["margin"], abs=1e-5)
        assert {"grad_norm", "learning_rate"} <= set(entry)
    assert train(tiny_base, PAIRS, SETTINGS, tmp_path / "silent") == report
    told, silent = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("told", "silent"))
    assert all(torch.equal(told[name], silent[name]) for name in silent)


def test_what_a_user_has_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    environment = Tracking("wandb", "bpo", "dpo.1", tmp_path).environment
    assert "WANDB_PROJECT" not in environment
    assert environment["WANDB_DIR"] == str(tmp_path)
    assert environment["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/mlflow.db"


def test_tensorboard_finds_a_run_for_each_method_and_replicate(tiny_base: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs tensorboard: pip install 'harness[trackers]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracking = Tracking("tensorboard", "bpo", "balanced.0", tmp_path / "tracking")
    load_tracker(tracking)
    report = train(tiny_base, PAIRS, SETTINGS, tmp_path / "out", Runtime(tracking=tracking))
    found = EventAccumulator(str(tmp_path / "tracking" / "bpo" / "balanced.0"))
    found.Reload()
    margins = [(event.step, event.value) for event in found.Scalars("train/margin")]
    assert margins == [
        (step, pytest.approx(entry.margin, abs=1e-5)) for step, entry in enumerate(report.history, 1)
    ]
