"""The grouped forward passes: the loss and the gradient of the same pairs one by one, whatever the model."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_lora import adapted, logprob
from torch import Tensor, nn

from harness.training.batching import pair_positions
from harness.training.exactness import TOLERANCES, _trial, candidate_prefixes, exact_prefix
from harness.training.grouped import Prefix, PromptGroup, positions_run
from harness.training.prefix import response_scores
from harness.training.reference import NO_REFERENCE
from harness.training.scores import ReferenceScores, ResponseScores, pair_logprobs

# Lengths differ everywhere; one response is a single token, one is empty, one pair was cut to equal lengths.
GROUPS = (
    PromptGroup(
        (3, 4, 5, 6, 7, 8, 9), ((10, 11, 12, 2), (13,), (14, 15), ()), (0, 2, 0), (1, 0, 3), (0, 1, 2)
    ),
    PromptGroup((21, 22), ((23, 24, 25, 26, 27, 28, 29, 2), (30, 31, 32, 33)), (1,), (0,), (3,)),
    PromptGroup((41, 42, 43, 44), ((45, 46, 47), (45, 46, 48), (2,)), (2, 0), (0, 1), (4, 5)),
)
WAYS: tuple[Prefix, Prefix] = ("packed", "rows")
ARCHITECTURES = ("llama", "qwen2", "mistral", "gemma2", "gpt2", "gpt_neox")


def grouped_loss(model: nn.Module, prefix: Prefix) -> Tensor:
    scores = response_scores(model, GROUPS, prefix, pad_id=0)
    reference = NO_REFERENCE.of([row for group in GROUPS for row in group.rows], torch.device("cpu"))
    pairs = pair_logprobs(scores, reference, *pair_positions(GROUPS, torch.device("cpu")))
    return -F.logsigmoid(0.1 * pairs.margin).sum()


def pair_by_pair_loss(model: nn.Module) -> Tensor:
    """Each response of each pair alone, without padding."""
    margins = [
        logprob(model, group.rows[chosen]) - logprob(model, group.rows[rejected])
        for group in GROUPS
        for chosen, rejected in zip(group.chosen, group.rejected, strict=True)
    ]
    return -F.logsigmoid(0.1 * torch.stack(margins)).sum()


def loss_and_gradient(model: nn.Module, loss: Tensor) -> tuple[float, Tensor]:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    parts = torch.autograd.grad(loss, weights)
    return float(loss.detach()), torch.cat([part.flatten() for part in parts])


def still_model(architecture: str) -> Any:
    return adapted(architecture, 0.1).eval()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_loss_and_gradient_are_those_of_the_pairs_one_by_one(architecture: str) -> None:
    """Loss to 1e-6, gradient to 1e-5 of their size, by the way that the check picks and by rows."""
    model = still_model(architecture)
    value, gradient = loss_and_gradient(model, pair_by_pair_loss(model))
    for prefix in {exact_prefix(model, GROUPS, 0, TOLERANCES["fp32"]), "rows"}:
        found, slope = loss_and_gradient(model, grouped_loss(model, prefix))
        assert found == pytest.approx(value, rel=1e-6)
        assert float((slope - gradient).norm() / gradient.norm()) < 1e-5


@pytest.mark.parametrize("prefix", ["cache", "packed"])
def test_both_ways_of_sharing_are_exact_on_llama(prefix: Prefix) -> None:
    model = still_model("llama")
    value, gradient = loss_and_gradient(model, pair_by_pair_loss(model))
    found, slope = loss_and_gradient(model, grouped_loss(model, prefix))
    assert found == pytest.approx(value, rel=1e-6)
    assert float((slope - gradient).norm() / gradient.norm()) < 1e-5


def test_responses_of_one_token_are_read_from_their_prompts_alone() -> None:
    """Nothing of a response is run, so packed rows hold prompts only; values are those of plain rows."""
    groups = (PromptGroup((3, 4, 5), ((7,), (8,)), (), (), ()), PromptGroup((6,), ((9,),), (), (), ()))
    model = still_model("llama")
    packed, plain = (response_scores(model, groups, prefix, 0).logprobs for prefix in WAYS)
    torch.testing.assert_close(packed, plain)


def test_packed_rows_are_exact_under_checkpointing() -> None:
    """And a cache is not tried there: transformers drops it."""
    model = still_model("llama")
    value, gradient = loss_and_gradient(model, pair_by_pair_loss(model))
    model.train()
    model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    (prefix,) = candidate_prefixes(GROUPS, checkpointing=True)
    found, slope = loss_and_gradient(model, grouped_loss(model, prefix))
    assert prefix == "packed"
    assert found == pytest.approx(value, rel=1e-6)
    assert float((slope - gradient).norm() / gradient.norm()) < 1e-5


def test_what_is_not_exact_is_found_out() -> None:
    """Mistral looks back 4 tokens here: a packed row's mask overrides that, a cache does not.

    With a cache that forgets its gradient the values are right and only the gradient tells.
    """
    model = still_model("mistral")
    tolerance = TOLERANCES["fp32"]
    assert exact_prefix(model, GROUPS, 0, tolerance, ("packed",)) == "rows"
    assert exact_prefix(model, GROUPS, 0, tolerance, ("packed", "cache")) == "cache"
    llama = still_model("llama")
    forward = llama.forward

    def forgetful(*arguments: object, **named: object) -> object:
        output = forward(*arguments, **named)
        for layer in output.past_key_values.layers if named.get("use_cache") else ():
            layer.keys, layer.values = layer.keys.detach(), layer.values.detach()
        return output

    llama.forward = forgetful
    assert exact_prefix(llama, GROUPS, 0, tolerance, ("cache",)) == "rows"


def test_the_longest_row_is_tried_whatever_its_prompt_has_beside_it() -> None:
    """A model that looks back a window only is found out by the longest row alone.

    The prompt with more tokens in all, 2 + 5 + 5, has rows of 7; that with 2 + 2 + 8 has one of 10.
    """
    many = PromptGroup((3, 4), ((5, 6, 7, 8, 9), (10, 11, 12, 13, 14), (15,)), (), (), ())
    one = PromptGroup((3, 4), ((5, 6), (7, 8, 9, 10, 11, 12, 13, 14)), (), (), ())
    assert _trial([many, one])[-1].responses[-1] == one.responses[1]


def test_sharing_is_tried_where_it_saves_tokens() -> None:
    """Two responses of 9 read tokens: 2 P + 18 over P + 18 is 20 / 19 at P = 1, 1.47 at P = 16."""
    long = tuple(range(10))
    short, wide = (PromptGroup((1,) * size, (long, long[::-1]), (), (), ()) for size in (1, 16))
    assert candidate_prefixes([short], checkpointing=False) == ()
    assert candidate_prefixes([wide], checkpointing=False) == ("packed", "cache")


def test_certainty_is_the_mean_of_log_p_minus_the_log_collision_probability() -> None:
    """For every response by its definition, with the model's own logits of the row alone."""
    model = still_model("llama")
    scores = response_scores(model, GROUPS, "packed", pad_id=0, certainty=True)
    assert scores.certainty is not None
    assert not scores.certainty.requires_grad
    for got, row in zip(scores.certainty, (row for group in GROUPS for row in group.rows), strict=True):
        logits = model(input_ids=torch.tensor([row.prompt + row.response])).logits[0].detach()
        values = [
            distribution[token].log() - distribution.square().sum().log()
            for distribution, token in zip(
                logits[len(row.prompt) - 1 :].softmax(-1), row.response, strict=False
            )
        ]
        assert float(got) == pytest.approx(sum(map(float, values)) / max(len(values), 1), abs=1e-5)


def test_common_sums_are_over_as_many_tokens_as_the_shorter_response_has() -> None:
    """Responses of 3, 1 and 2 tokens; pairs (0, 1) and (2, 0) have 1 and 2 tokens in common.

    Policy tokens -1 -2 -4 | -8 | -16 -32, reference tokens the same over ten.
    """
    logprobs = torch.tensor([[-1.0, -2, -4], [-8, 0, 0], [-16, -32, 0]])
    mask = logprobs < 0
    tokens = torch.tensor([-0.1, -0.2, -0.4, -0.8, -1.6, -3.2])
    reference = ReferenceScores(torch.tensor([-0.7, -0.8, -4.8]), tokens)
    scores = ResponseScores(logprobs, mask)
    pairs = pair_logprobs(scores, reference, torch.tensor([0, 2]), torch.tensor([1, 0]))
    assert pairs.policy_w.tolist() == [-7.0, -48.0]
    assert pairs.reference_l.tolist() == pytest.approx([-0.8, -0.7])
    assert (pairs.len_w.tolist(), pairs.len_l.tolist()) == ([3, 2], [1, 3])
    common = pairs.common
    assert common is not None
    assert (common.policy_w.tolist(), common.policy_l.tolist()) == ([-1.0, -48.0], [-8.0, -3.0])
    assert common.reference_w.tolist() == pytest.approx([-0.1, -4.8])
    assert common.reference_l.tolist() == pytest.approx([-0.8, -0.3])
    assert common.len_w.tolist() == common.len_l.tolist() == [1, 2]


def test_a_response_that_sees_another_is_found_out() -> None:
    """Where only one of three has tokens that the next could see: a packed mask that hides nothing."""
    group = PromptGroup((3, 4, 5), ((), (6,), (7, 8, 9), (10, 11, 12, 2)), (), (), ())
    model, tolerance = still_model("llama"), TOLERANCES["fp32"]
    assert exact_prefix(model, [group], 0, tolerance, ("packed",)) == "packed"
    forward = model.forward

    def open_eyed(*arguments: object, **named: Any) -> object:
        if "packed_layout" in named:
            named["packed_layout"].seen.fill_(True)
        return forward(*arguments, **named)

    model.forward = open_eyed
    assert exact_prefix(model, [group], 0, tolerance, ("packed",)) == "rows"


@pytest.mark.parametrize(("prefix", "expected"), [("rows", 90), ("packed", 36), ("cache", 84)])
def test_positions_that_run_hold_tokens_and_pads(prefix: Prefix, expected: int) -> None:
    """As the embedding table sees them. Prompts take 7, 2 and 4 tokens; of responses 3, 0, 1 and 0, 7 and 3,
    2, 2 and 0 are read. Rows: nine of at most 7 + 3 = 10, 2 + 7 = 9, 4 + 2; packed: three of at most
    7 + 4 = 11, 2 + 10 = 12, 4 + 4; cache: three prompts of 7, nine responses of 7.
    """
    model = still_model("llama")
    seen: list[int] = []
    table = model.get_input_embeddings()
    table.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].numel()))
    response_scores(model, GROUPS, prefix, pad_id=0)
    assert positions_run(GROUPS, prefix) == sum(seen) == expected
