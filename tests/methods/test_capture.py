"""Captured gradients against one plain backward for each response."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_lora import MODELS, adapted, logprob, plain_gradient, random_rows, tiny_llama
from torch import Tensor, nn

from harness.data.tokens import Encoded, pad, response_logprobs
from harness.errors import BadInput
from harness.methods.capture import captured, lora_factors

# What peft says of its own dealings when it wraps these models.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:`lora_bias=True` was passed"),
    pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`"),
]


def capture(model: nn.Module, rows: list[Encoded]) -> dict[str, Tensor]:
    """[rows, out, in] gradients of each factor, from one padded batch."""
    batch = pad(rows, pad_id=0)
    found: dict[str, Tensor] = {}

    def sink(name: str, gradients: Tensor) -> None:
        found[name] = found.get(name, torch.zeros(())) + gradients  # a copy: the memory is the next factor's

    with captured(lora_factors(model), (len(rows), batch.input_ids.shape[1]), sink):
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
        torch.autograd.backward(response_logprobs(logits, batch).sum())
    return found


@pytest.mark.parametrize("b_std", [0.0, 0.1], ids=["fresh", "trained"])
@pytest.mark.parametrize("architecture", MODELS)
def test_equals_plain_autograd(architecture: str, b_std: float) -> None:
    """Every factor of every row, to 1e-5 of the row's whole gradient; rows rolled by one must differ."""
    model, rows = adapted(architecture, b_std).eval(), random_rows(6)
    found = capture(model, rows)
    for at, row in enumerate(rows):
        plain = plain_gradient(model, logprob(model, row))
        length = torch.cat([gradient.flatten() for gradient in plain.values()]).norm()
        for name, gradient in plain.items():
            got = found[name][at] if name in found else torch.zeros_like(gradient)
            assert (got - gradient).norm() <= 1e-5 * length, name
        wrong = sum(float((found[name][at - 1] - plain[name]).norm() ** 2) for name in found)
        assert wrong**0.5 > 0.1 * length


def test_a_fresh_adapter_hands_over_only_b() -> None:
    """With B = 0 the gradient of A is zero, so it is not even computed; with B != 0 all are captured."""
    fresh = capture(adapted("llama", 0.0), random_rows(2))
    trained = capture(adapted("llama", 0.1), random_rows(2))
    assert {name.split(".")[-3] for name in fresh} == {"lora_B"}
    assert len(fresh) == 2 * 7
    assert len(trained) == 2 * 2 * 7


def test_nothing_stays_behind() -> None:
    model, row = adapted("llama", 0.1), random_rows(1)[0]
    before = logprob(model, row)
    capture(model, [row])
    assert all(weight.grad is None for weight in model.parameters())
    assert all("forward" not in module.__dict__ for module in model.modules())
    assert torch.equal(logprob(model, row), before)


def test_a_layer_used_twice_hands_over_twice() -> None:
    """The same decoder layer in both places: the sum of what is handed over is the gradient."""
    base = tiny_llama()
    layers = base.get_submodule("model.layers")
    assert isinstance(layers, nn.ModuleList)
    layers[1] = layers[0]
    model = get_peft_model(base, LoraConfig(r=4, target_modules=["up_proj"], init_lora_weights=False)).eval()
    rows = random_rows(3)
    found = capture(model, rows)
    for at, row in enumerate(rows):
        for name, gradient in plain_gradient(model, logprob(model, row)).items():
            torch.testing.assert_close(found[name][at], gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (LoraConfig(r=4, target_modules="all-linear", use_dora=True), "lora_magnitude_vector"),
        (LoraConfig(r=4, target_modules="all-linear", lora_bias=True), "lora_B.default.bias"),
        (LoraConfig(r=4, target_modules=["q_proj", "embed_tokens"]), "lora_embedding_A"),
        (LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["norm"]), "modules_to_save"),
    ],
    ids=["dora", "bias", "embedding", "modules_to_save"],
)
def test_what_is_no_linear_factor_is_refused(config: LoraConfig, named: str) -> None:
    with pytest.raises(BadInput, match=f"The gradient of .*{named}.* cannot be taken for each response"):
        lora_factors(get_peft_model(tiny_llama(), config))


def test_a_model_without_adapter_is_refused() -> None:
    with pytest.raises(BadInput, match="no trainable LoRA factor"):
        lora_factors(tiny_llama().requires_grad_(False))
    with pytest.raises(BadInput, match="cannot be taken"):
        lora_factors(tiny_llama())


def test_a_layer_that_does_not_see_rows_is_refused() -> None:
    """As an expert of a mixture would: it sees some of the tokens of all rows."""
    model = adapted("llama", 0.0)
    factors = lora_factors(model)
    layer = factors[0].layer
    with captured(factors, (3, 5), lambda name, gradients: None):
        layer(torch.zeros(3, 5, layer.in_features))
        layer(torch.zeros(15, layer.in_features))
        for shape in [(14,), (5, 3), (3, 4), (1, 15)]:
            with pytest.raises(BadInput, match=r"q_proj\.lora_A"):
                layer(torch.zeros(*shape, layer.in_features))
