"""One training by several processes: what they tell each other, and whether all of them are there."""

from collections.abc import Mapping, Sequence
from typing import Any

from accelerate import Accelerator
from accelerate.utils import DistributedType, gather_object
from torch import Tensor

from harness.errors import BadInput, HarnessError

SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED)


def check_processes(accelerator: Accelerator, wanted: int, kind: str | None) -> None:
    """Refuse to train with another number of processes than was asked for, or in another way of sharing.

    Some launchers start one process where several were meant, and say nothing: every step would then see a
    part of its pairs. And accelerate does not shard on a CPU, whatever its config says.
    """
    if accelerator.num_processes != wanted:
        raise HarnessError(
            f"training: {wanted} processes were asked for, but {accelerator.num_processes} run. "
            "Let harness start them: [resources.training] processes, or --train-processes."
        )
    runs = accelerator.distributed_type.value
    if kind not in (None, runs):
        raise BadInput(
            f"resources.training.config: asks for {kind}, but accelerate runs {runs} on this machine. Change "
            "distributed_type, or the machine."
        )


def whole_weights(trainer: Any) -> dict[str, Tensor] | None:
    """The state of a model whose weights lie in shards, whole in the first process; None: they lie whole.

    All processes take part.
    """
    accelerator = trainer.accelerator
    if accelerator.distributed_type not in SHARDED:
        return None
    state: dict[str, Tensor] = accelerator.get_state_dict(trainer.model_wrapped)
    return state


def shared_arguments(
    arguments: Mapping[str, Any], processes: int, prompts: int | None = None
) -> dict[str, Any]:
    """Training arguments with the forward passes of a step shared out.

    `prompts` is how many a step takes, and so the most passes that it can have; None: it takes single pairs.

    Raises:
        BadInput: they cannot be shared equally.
    """
    passes = arguments["gradient_accumulation_steps"]
    if not passes % processes:
        return {**arguments, "gradient_accumulation_steps": passes // processes}
    if passes == prompts:
        raise BadInput(
            f"training.prompts_per_step: a step has no more forward passes than prompts, here {passes}, "
            f"which {processes} processes cannot share equally. Set it to a multiple of {processes}, or use "
            "fewer processes."
        )
    raise BadInput(
        f"training.micro_batch: a step has {passes} forward passes, which {processes} processes cannot "
        "share equally. Choose a smaller micro_batch, or fewer processes."
    )


def from_all(own: Any) -> list[Any]:
    """What each process holds, by rank; waits for all of them."""
    found: list[Any] = gather_object([own])
    return found


def from_first(own: Any) -> Any:
    """What the first process holds."""
    return from_all(own)[0]


def merged(states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The progress that one process would have made: counts add up, micro-batches take turns.

    Micro-batch number n of a training is that of process n modulo their number.
    """
    return {
        name: [entry for turn in zip(*(state[name] for state in states), strict=True) for entry in turn]
        if isinstance(value, list)
        else sum(state[name] for state in states)
        for name, value in states[0].items()
    }
