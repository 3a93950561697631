"""One training by several processes: what they tell each other, and whether all of them are there."""

from collections.abc import Mapping, Sequence
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object

from harness.errors import BadInput, HarnessError


def check_processes(accelerator: Accelerator, wanted: int) -> None:
    """Refuse to train with another number of processes than was asked for.

    Some launchers start one process where several were meant, and say nothing: every step would then see a
    part of its pairs.
    """
    if accelerator.num_processes != wanted:
        raise HarnessError(
            f"training: {wanted} processes were asked for, but {accelerator.num_processes} run. "
            "Start them with --train-processes, or with torchrun."
        )


def shared_arguments(arguments: Mapping[str, Any], processes: int) -> dict[str, Any]:
    """Training arguments with the forward passes of a step shared out.

    Raises:
        BadInput: they cannot be shared equally.
    """
    passes = arguments["gradient_accumulation_steps"]
    if passes % processes:
        raise BadInput(
            f"training.micro_batch: a step has {passes} forward passes, which {processes} processes cannot "
            "share equally. Choose a smaller micro_batch, or fewer processes."
        )
    return {**arguments, "gradient_accumulation_steps": passes // processes}


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
        name: _in_turn([state[name] for state in states])
        if isinstance(value, list)
        else sum(state[name] for state in states)
        for name, value in states[0].items()
    }


def _in_turn(lists: Sequence[list[Any]]) -> list[Any]:
    return [entry for entries in zip(*lists, strict=True) for entry in entries]
