"""In what arithmetic a training computes: how its weights are loaded, and what is cast on the way."""

from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

import torch

from harness.errors import BadInput
from harness.models.load import Policy, load_policy
from harness.models.source import DTYPES
from harness.training.settings import Precision, Weights


def load_to_train(base: Path, weights: Weights, precision: Precision, place: str = "training") -> Policy:
    """The base model as a training loads it, by the table `place`; weights that are trained are fp32.

    Raises:
        BadInput: this machine cannot train so, or there is no such model.
    """
    _check_machine(weights, precision, place)
    dtype = torch.float32 if weights == "full" else DTYPES[precision]
    return load_policy(base, precision=dtype, four_bits=weights == "qlora")


def computing_in(policy: Policy, precision: Precision) -> AbstractContextManager[None]:
    """Forward passes as in a training of such precision."""
    return torch.autocast(policy.device.type, DTYPES[precision], enabled=precision != "fp32")


def _check_machine(weights: Weights, precision: Precision, place: str) -> None:
    if weights == "qlora" and not (torch.cuda.is_available() and find_spec("bitsandbytes")):
        raise BadInput(
            f"{place}.weights: 'qlora' needs a CUDA GPU and the package bitsandbytes, and one of them is "
            "missing here. Use 'lora'."
        )
    if precision == "fp16" and not torch.cuda.is_available():
        raise BadInput(
            f"{place}.precision: 'fp16' needs a CUDA GPU, and there is none here. Use 'bf16' or 'fp32'."
        )
