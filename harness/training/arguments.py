"""The arguments that every training gives to transformers' trainer."""

from pathlib import Path
from typing import Any, TypeVar

from transformers import TrainingArguments

from harness.training.runtime import Runtime
from harness.training.settings import SupervisedSettings, TrainingSettings
from harness.training.tracking import tracking_arguments

Arguments = TypeVar("Arguments", bound=TrainingArguments)


def common_arguments(
    settings: TrainingSettings | SupervisedSettings, out: Path, runtime: Runtime, on_cpu: bool
) -> dict[str, Any]:
    """Arguments of `TrainingArguments` and of what derives from it."""
    checkpointing = settings.gradient_checkpointing
    return {
        "output_dir": str(runtime.checkpoints.folder if runtime.checkpoints else out),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup_steps,
        "seed": settings.seed,
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "remove_unused_columns": False,
        "bf16": settings.precision == "bf16",
        "fp16": settings.precision == "fp16",
        "gradient_checkpointing": checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if checkpointing else None,
        "ddp_find_unused_parameters": False,
        "save_strategy": "no",
        "disable_tqdm": True,
        **tracking_arguments(runtime.tracking),
    }


def on_one_device(arguments: Arguments) -> Arguments:
    """The same, for a process that trains on one device, however many GPUs it sees.

    The library would give each of them a batch of its own, and TRL then refuses to train.
    """
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
