"""The gradient bank, against plain autograd of responses and of the DPO loss of pairs."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_lora import adapted, logprob, plain_gradient, random_rows, tiny_llama
from torch import Tensor, nn
from transformers import MixtralConfig, MixtralForCausalLM

from harness.data.tokens import Encoded
from harness.errors import BadInput
from harness.methods.candidates import make_candidates
from harness.methods.clustering import Matrix
from harness.methods.feature_adapter import add_feature_adapter
from harness.methods.features import GradientBank, Gradients, pair_features
from harness.methods.gradients import gradient_pass, response_gradients
from harness.methods.projection import Sketch, add_sketch, sketch_table

SKETCH = Sketch(dim=256, seed=5)
BETA = 0.1


def bank_of(
    model: nn.Module,
    rows: Sequence[Encoded],
    pad_id: int = 0,
    batch_size: int = 32,
) -> GradientBank:
    return response_gradients(gradient_pass(model, SKETCH, pad_id), rows, batch_size)


def sketched(gradient: dict[str, Tensor]) -> Matrix:
    cells = torch.zeros(1, SKETCH.dim)
    for name, part in gradient.items():
        add_sketch(cells, part.flatten()[None].clone(), sketch_table(SKETCH, name, tuple(part.shape)))
    found: Matrix = cells[0].numpy()
    return found


def relative_error(found: Gradients, plain: Gradients) -> float:
    return float(np.linalg.norm(found - plain) / np.linalg.norm(plain))


@pytest.mark.parametrize("b_std", [0.0, 0.1], ids=["fresh", "trained"])
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_the_bank_equals_one_backward_for_each_response(architecture: str, b_std: float) -> None:
    """In input order, though batches are formed by length; the model is left in its own mode."""
    model, rows = adapted(architecture, b_std).eval(), random_rows(11)
    plain = [logprob(model, row) for row in rows]
    model.train()
    bank = bank_of(model, rows, batch_size=4)
    assert model.training
    np.testing.assert_allclose(bank.logprobs, [value.item() for value in plain], rtol=1e-5)
    for at, value in enumerate(plain):
        assert relative_error(bank.gradients[at], sketched(plain_gradient(model, value))) < 1e-5


def dpo_loss(model: nn.Module, chosen: Encoded, rejected: Encoded) -> Tensor:
    """-log sigmoid(beta (log-ratio of chosen - log-ratio of rejected)): arXiv 2305.18290, equation 7."""
    with torch.no_grad(), model.disable_adapter():  # type: ignore[operator]
        reference = logprob(model, chosen) - logprob(model, rejected)
    return -F.logsigmoid(BETA * (logprob(model, chosen) - logprob(model, rejected) - reference))


@pytest.mark.parametrize("b_std", [0.0, 0.1], ids=["fresh", "trained"])
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_pair_features_equal_the_descent_direction_of_dpo(architecture: str, b_std: float) -> None:
    """Every pair by its own backward of the DPO loss: the unit row of minus its gradient."""
    model, rows = adapted(architecture, b_std).eval(), random_rows(8)
    scores = np.random.default_rng(0).permutation(8).astype(float).tolist()
    pairs = make_candidates([at // 4 for at in range(8)], [str(row.response) for row in rows], scores)
    features = pair_features(bank_of(model, rows, batch_size=3), pairs)
    assert len(features) == 12
    for at in range(12):
        loss = dpo_loss(model, rows[pairs.chosen[at]], rows[pairs.rejected[at]])
        descent = -sketched(plain_gradient(model, loss))
        assert relative_error(features[at], descent / np.linalg.norm(descent)) < 1e-5


def test_batch_size_and_padding_change_nothing() -> None:
    model, rows = adapted("llama", 0.1), random_rows(9)
    one = bank_of(model, rows, batch_size=1)
    for batch_size, pad_id in [(4, 0), (9, 1), (100, 0)]:
        other = bank_of(model, rows, pad_id, batch_size)
        np.testing.assert_allclose(other.logprobs, one.logprobs, rtol=1e-5)
        assert relative_error(other.gradients, one.gradients) < 1e-5


def test_rows_are_batched_by_length() -> None:
    """Lengths 4, 9, 5, 8 in batches of two, longest first: padded to 9 and to 5."""
    model, shapes = adapted("llama", 0.0), list[tuple[int, ...]]()
    model.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    rows = [Encoded((2, 3), tuple(range(length - 2))) for length in (4, 9, 5, 8)]
    bank_of(model, rows, batch_size=2)
    assert shapes == [(2, 9), (2, 5)]


def test_a_response_does_not_depend_on_the_others() -> None:
    model, rows = adapted("llama", 0.0), random_rows(9)
    whole = bank_of(model, rows)
    part = bank_of(model, rows[5:7])
    assert relative_error(part.gradients, whole.gradients[5:7]) < 1e-5


def test_gradients_are_taken_under_no_grad_too() -> None:
    model, rows = adapted("llama", 0.0), random_rows(2)
    with torch.no_grad():
        bank = bank_of(model, rows)
    assert np.all(np.linalg.norm(bank.gradients, axis=1) > 0)


def test_no_rows() -> None:
    bank = bank_of(adapted("llama", 0.0), [])
    assert bank.gradients.shape == (0, 256)


def test_the_adapter_depends_on_its_seed_alone() -> None:
    """A is drawn from the seed, not from the global generator, which is left as it was; outputs stay."""
    row = random_rows(1)[0]
    plain = logprob(tiny_llama(), row)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = add_feature_adapter(tiny_llama_keeping(state), 4, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    again, other = add_feature_adapter(tiny_llama(), 4, seed=3), add_feature_adapter(tiny_llama(), 4, seed=4)
    assert torch.equal(lora_a(first), lora_a(again))
    assert not torch.equal(lora_a(first), lora_a(other))
    assert torch.equal(logprob(first.eval(), row), plain)


def tiny_llama_keeping(state: Tensor) -> nn.Module:
    """A tiny model, with the global generator put back to `state`."""
    model = tiny_llama()
    torch.set_rng_state(state)
    return model


def lora_a(model: nn.Module) -> Tensor:
    return next(weight for name, weight in model.named_parameters() if "lora_A" in name)


@pytest.mark.filterwarnings("ignore:The following .*_pattern keys did not match:RuntimeWarning")
def test_experts_are_refused() -> None:
    """A mixture's experts see tokens of all rows at once, so no gradient for each row can be had."""
    torch.manual_seed(0)
    config = MixtralConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=2,
    )
    model = add_feature_adapter(MixtralForCausalLM(config), 4, seed=0)
    with pytest.raises(BadInput, match=r"mlp\.gate.*mlp\.experts.* cannot be taken .* leave that"):
        bank_of(model, random_rows(3))


def test_a_factor_that_the_pass_does_not_reach_is_refused() -> None:
    """All that is trainable must be captured: here one linear layer is never called."""
    base = tiny_llama()
    base.get_submodule("model.layers.1").add_module("spare", nn.Linear(32, 32))
    with pytest.raises(BadInput, match=r"layers\.1\.spare\.lora_B.* \(1 such"):
        bank_of(add_feature_adapter(base, 4, seed=0), random_rows(3))


def test_the_head_is_not_asked_about_prompts() -> None:
    """Prompts of 4 and 6 tokens, rows of 7 and 8: places 3 to 7 predict what follows the shorter prompt."""
    model, rows = adapted("llama", 0.1), [Encoded((3, 4, 5, 6), (7, 8, 9)), Encoded((3,) * 6, (4, 5))]
    asked: list[int] = []
    head = model.get_submodule("base_model.model.lm_head")
    head.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[0].shape[1]))
    found = bank_of(model, rows).logprobs
    assert asked == [8 - 3]
    expected = [float(logprob(model, row).detach()) for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
