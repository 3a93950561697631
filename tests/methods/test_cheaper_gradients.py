"""Response-only gradients and those of the last layers, against plain autograd."""

import numpy as np
import pytest
import torch
from tiny_lora import adapted, logprob, plain_gradient, random_rows
from torch import Tensor, nn
from transformers import Gemma2Config, Gemma2ForCausalLM, MistralConfig, MistralForCausalLM

from harness.data.tokens import Encoded
from harness.errors import BadInput
from harness.methods.clustering import Matrix
from harness.methods.feature_adapter import add_feature_adapter, keep_last_layers, passed_parameters
from harness.methods.gradients import gradient_pass, response_gradients
from harness.methods.projection import Sketch

SKETCH = Sketch(dim=64, seed=5)


def sliding_model(family: str) -> nn.Module:
    """Attention over the last 4 tokens only, in which a cache keeps no more than it needs."""
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 4,
    }  # fmt: skip
    if family == "mistral":
        model: nn.Module = MistralForCausalLM(MistralConfig(**sizes))
    else:
        model = Gemma2ForCausalLM(Gemma2Config(**sizes, head_dim=8, attn_implementation="eager"))
    return with_noise(add_feature_adapter(model, 4, seed=0))


def with_noise(model: nn.Module) -> nn.Module:
    """B != 0, so that the factors A have a gradient too."""
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.1)
    return model


def response_only(model: nn.Module, row: Encoded) -> dict[str, Tensor]:
    """One row alone and whole, with what each LoRA factor makes of the prompt's tokens (but the last) held
    constant. These positions see no later one, so nothing else of the gradient is lost.
    """
    cut = len(row.prompt) - 1

    def hold(_: nn.Module, __: object, output: Tensor) -> Tensor:
        return torch.cat((output[:, :cut].detach(), output[:, cut:]), dim=1)

    factors = [part for name, part in model.named_modules() if name.endswith(".default")]
    hooks = [part.register_forward_hook(hold) for part in factors if isinstance(part, nn.Linear)]
    found = plain_gradient(model, logprob(model, row))
    for hook in hooks:
        hook.remove()
    return found


def sketched(model: nn.Module, gradient: dict[str, Tensor]) -> Matrix:
    return gradient_pass(model, SKETCH, 0).sketch(gradient)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "mistral", "gemma2"])
def test_response_only_equals_autograd_with_the_prompt_held(architecture: str) -> None:
    """Prompts of 2 to 8 tokens in one batch; the log-probabilities are the ordinary ones."""
    known = architecture in ("llama", "gpt2")
    model = (adapted(architecture, 0.1) if known else sliding_model(architecture)).eval()
    rows = [row for row in random_rows(12) if len(row.prompt) > 1]
    bank = response_gradients(gradient_pass(model, SKETCH, 0, response_only=True), rows, batch_size=5)
    assert len({len(row.prompt) for row in rows}) > 1
    for at, row in enumerate(rows):
        assert bank.logprobs[at] == pytest.approx(logprob(model, row).item(), rel=1e-4)
        plain = response_only(model, row)
        expected = sketched(model, plain)
        assert np.linalg.norm(bank.gradients[at] - expected) < 1e-4 * np.linalg.norm(expected)
        whole = torch.cat([part.flatten() for part in plain.values()]).norm()
        assert bank.norms[at] == pytest.approx(float(whole), rel=1e-4)
        full = sketched(model, plain_gradient(model, logprob(model, row)))
        assert np.linalg.norm(full - expected) > 1e-2 * np.linalg.norm(expected)


def test_response_only_refuses_prompts_of_one_token() -> None:
    taken = gradient_pass(adapted("llama", 0.0), SKETCH, 0, response_only=True)
    with pytest.raises(BadInput, match="needs prompts of at least two tokens"):
        response_gradients(taken, [Encoded((3,), (4, 5))])


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_the_last_layers_are_part_of_the_whole(architecture: str) -> None:
    """Of two layers, one: the same gradient, without the first layer's parameters."""
    model, rows = adapted(architecture, 0.1).eval(), random_rows(5)
    whole = passed_parameters(model)
    plain = [plain_gradient(model, logprob(model, row)) for row in rows]
    keep_last_layers(model, 1)
    bank = response_gradients(gradient_pass(model, SKETCH, 0), rows)
    for at, gradient in enumerate(plain):
        expected = sketched(model, {name: part for name, part in gradient.items() if ".1." in name})
        assert np.linalg.norm(bank.gradients[at] - expected) < 1e-5 * np.linalg.norm(expected)
    layer = sum(w.numel() for name, w in model.named_parameters() if ".0." in name and "lora_" not in name)
    assert passed_parameters(model) == whole - layer


def test_more_layers_than_there_are_are_refused() -> None:
    with pytest.raises(BadInput, match=r"the model has only 2 layers with an adapter\. Got 3\. Lower it"):
        keep_last_layers(adapted("llama", 0.0), 3)


def test_a_response_without_tokens_has_a_zero_gradient() -> None:
    """Alone in its batch, and beside another; response-only too."""
    model, prompt = adapted("llama", 0.1), (3, 4, 5)
    for only in (False, True):
        taken = gradient_pass(model, SKETCH, 0, response_only=only)
        rows = [Encoded(prompt, ()), Encoded(prompt, (6, 7))]
        for batch_size in (1, 2):
            bank = response_gradients(taken, rows, batch_size)
            assert (bank.logprobs[0], bank.norms[0], bank.lengths.tolist()) == (0, 0, [0, 2])
            assert not bank.gradients[0].any()
            assert bank.gradients[1].any()


def test_padding_is_never_read() -> None:
    model, rows = adapted("llama", 0.1), [row for row in random_rows(8) if len(row.prompt) > 1]
    banks = [
        response_gradients(gradient_pass(model, SKETCH, pad_id, response_only=True), rows)
        for pad_id in (0, 7)
    ]
    np.testing.assert_allclose(banks[0].gradients, banks[1].gradients, rtol=1e-4, atol=1e-5)


def test_norms_are_taken_before_the_sketch() -> None:
    model, rows = adapted("gpt2", 0.1).eval(), random_rows(6)
    bank = response_gradients(gradient_pass(model, SKETCH, 0), rows, batch_size=4)
    for at, row in enumerate(rows):
        plain = plain_gradient(model, logprob(model, row))
        length = torch.cat([part.flatten() for part in plain.values()]).norm()
        assert bank.norms[at] == pytest.approx(float(length), rel=1e-5)
