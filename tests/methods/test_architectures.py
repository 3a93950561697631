"""The gradient pass over many architectures: exact in fp32, to rounding in bf16, checkpointed or not."""

import numpy as np
import pytest
import torch
from tiny_lora import MODELS, adapted, logprob, plain_gradient, random_rows
from torch import nn

from harness.methods.clustering import Matrix
from harness.methods.features import GradientBank
from harness.methods.gradients import gradient_pass, response_gradients
from harness.methods.projection import Sketch, add_sketch, sketch_table
from harness.methods.still import still

SKETCH = Sketch(dim=512, seed=5)
ROWS = random_rows(6)


def tolerance(architecture: str, dtype: torch.dtype) -> float:
    """In bf16 a padded batch and a single row round differently: by half a percent of a gradient, and by
    more in OPT, where an activation near zero may fall on either side of its ReLU.
    """
    if dtype == torch.float32:
        return 1e-5
    return 5e-2 if architecture == "opt" else 2e-2


def plain_bank(model: nn.Module) -> Matrix:
    """[rows, dim] one row, one backward, one sketch after the other."""
    cells = torch.zeros(len(ROWS), SKETCH.dim)
    for at, row in enumerate(ROWS):
        for name, part in plain_gradient(model, logprob(model, row)).items():
            add_sketch(
                cells[at : at + 1], part.flatten()[None], sketch_table(SKETCH, name, tuple(part.shape))
            )
    found: Matrix = cells.numpy()
    return found


def enable_checkpointing(model: nn.Module, reentrant: bool = False) -> None:
    model.activation_checkpointing_enable(  # type: ignore[operator]
        activation_checkpointing_kwargs={"use_reentrant": reentrant}
    )


def count_calls(model: nn.Module) -> list[str]:
    """Grows by one entry whenever a decoder layer's first norm runs."""
    calls: list[str] = []
    norm = next(module for name, module in model.named_modules() if "norm" in name or ".ln_1" in name)
    norm.register_forward_hook(lambda *_: calls.append("called"))
    return calls


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointed"])
@pytest.mark.parametrize("architecture", MODELS)
def test_equals_one_backward_for_each_response(
    architecture: str, checkpointing: bool, dtype: torch.dtype
) -> None:
    """Relative error of every row; as a negative control, the rows rolled by one must be far off."""
    model = adapted(architecture, 0.1, dtype=dtype).eval()
    plain = plain_bank(model)
    model.train()
    if checkpointing:
        enable_checkpointing(model)
    bank = response_gradients(gradient_pass(model, SKETCH, pad_id=0), ROWS, batch_size=4)
    lengths = np.linalg.norm(plain, axis=1)
    assert np.all(np.linalg.norm(bank.gradients - plain, axis=1) <= tolerance(architecture, dtype) * lengths)
    assert np.all(np.linalg.norm(np.roll(bank.gradients, 1, axis=0) - plain, axis=1) > 0.5 * lengths)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("b_std", [0.0, 0.1], ids=["fresh", "trained"])
def test_checkpointing_runs_and_changes_no_bit(b_std: float, reentrant: bool) -> None:
    """The layer runs twice, in forward and in backward: else checkpointing was silently off."""

    def passed(checkpointing: bool) -> tuple[GradientBank, int]:
        model = adapted("llama", b_std)
        if checkpointing:
            enable_checkpointing(model, reentrant)
        calls = count_calls(model)
        return response_gradients(gradient_pass(model, SKETCH, pad_id=0), ROWS), len(calls)

    (plain, once), (checkpointed, twice) = passed(False), passed(True)
    assert (once, twice) == (1, 2)
    np.testing.assert_array_equal(checkpointed.gradients, plain.gradients)
    np.testing.assert_array_equal(checkpointed.logprobs, plain.logprobs)


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox", "opt", "phi3"])
def test_a_model_held_still_has_no_dropout(architecture: str) -> None:
    """Twice the same output, though each has dropout of one sort or another; then it is as it was."""
    model = adapted(architecture, 0.1)
    enable_checkpointing(model)
    model.get_submodule("base_model.model").training = False
    before = {name: module.training for name, module in model.named_modules()}
    rates = [getattr(module, "dropout", None) for module in model.modules()]
    assert logprob(model, ROWS[0]) != logprob(model, ROWS[0])
    with still(model):
        assert logprob(model, ROWS[0]) == logprob(model, ROWS[0])
    assert {name: module.training for name, module in model.named_modules()} == before
    assert [getattr(module, "dropout", None) for module in model.modules()] == rates


def test_a_cached_prompt_is_not_lost_to_checkpointing() -> None:
    """Of the response alone: the prompt's cache must reach layers that would checkpoint, as without it."""

    def passed(checkpointing: bool) -> GradientBank:
        model = adapted("llama", 0.1)
        if checkpointing:
            enable_checkpointing(model)
        return response_gradients(gradient_pass(model, SKETCH, pad_id=0, response_only=True), ROWS)

    np.testing.assert_array_equal(passed(True).gradients, passed(False).gradients)
