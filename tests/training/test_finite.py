"""A training ends where its gradient or its weights are no numbers, whatever its losses say."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from test_preference_training import PAIRS, SETTINGS, trainer_of
from torch import Tensor

from harness.errors import Diverged
from harness.methods.losses import PairLogprobs, PairLoss, dpo
from harness.models.chat import Example
from harness.models.quiet import quiet
from harness.training import preference, supervised
from harness.training.batching import PairBatch
from harness.training.examples import pair_name
from harness.training.preference import train
from harness.training.settings import SupervisedSettings
from harness.training.supervised import train_supervised

HUGE = 1e39
"""A learning rate that no fp32 weight outlives."""

INFINITE = torch.tensor(float("inf"))


def steep(value: Tensor, at: Tensor) -> Tensor:
    """The same value, by which the slope in `at` is infinite: that of a root at 0."""
    return value + (at - at.detach()).sqrt()


def names(indices: Sequence[int]) -> str:
    return "; ".join(pair_name(PAIRS[at]) for at in indices)


@pytest.mark.parametrize("batching", ["prompts", "pairs"])
def test_a_gradient_that_is_not_finite_stops_with_step_and_pairs(
    tiny_base: Path, tmp_path: Path, batching: Literal["prompts", "pairs"]
) -> None:
    """Losses stay finite; from the third forward pass on, the first of step 2, their slope does not."""
    passes = count(1)
    seen: list[list[int]] = []

    def value(pairs: PairLogprobs) -> Tensor:
        losses = dpo(pairs, beta=0.5)
        return steep(losses, pairs.policy_w) if next(passes) > 2 else losses

    trainer = trainer_of(tiny_base, tmp_path, replace(SETTINGS, loss=PairLoss(value), batching=batching))
    forward = trainer.batching.forward

    def watched(model: Any, inputs: dict[str, Any]) -> PairBatch:
        batch = forward(model, inputs)
        seen.append(list(batch.indices))
        return batch

    trainer.batching.forward = watched  # type: ignore[method-assign]
    with quiet(), pytest.raises(Diverged) as caught:
        trainer.train()
    step_2 = [at for indices in seen[2:] for at in indices]
    assert trainer.state.global_step == 1
    assert len(step_2) >= 2
    assert re.fullmatch(
        rf"training: the gradient norm at step 2 is (inf|nan) for {re.escape(names(step_2))}\. "
        r"Lower the learning rate, or look at the pairs of that step\.",
        str(caught.value),
    )


@pytest.mark.parametrize("steps", [1, 4])
def test_an_update_that_breaks_the_weights_is_blamed_and_leaves_no_adapter(
    tiny_base: Path, tmp_path: Path, steps: int
) -> None:
    """The last one, after which there is no loss; and one before others, not the next step's pairs.

    What was done until then is known: the passes of step 1, and none of step 2.
    """
    with pytest.raises(Diverged, match="training: the update of step 1 left weights that are not") as caught:
        train(tiny_base, PAIRS, replace(SETTINGS, learning_rate=HUGE, steps=steps), tmp_path)
    one = train(tiny_base, PAIRS, replace(SETTINGS, steps=1), tmp_path / "sound")
    assert str(caught.value).count("prompt '") == one.pairs == 4
    assert caught.value.work["backward"] == one.tokens_backward
    assert not list(tmp_path.glob("*.safetensors"))


def test_weights_that_were_put_together_from_shards_are_looked_at(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by DeepSpeed's stage 3, whose model holds empty weights: those here are sound."""
    state = {"lora_A.weight": torch.ones(2), "lora_B.weight": torch.tensor([1.0, float("nan")])}
    monkeypatch.setattr(preference, "whole_weights", lambda trainer: state)
    with pytest.raises(Diverged, match="the update of step 2 left weights that are not finite"):
        train(tiny_base, PAIRS, replace(SETTINGS, steps=2), tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))


def test_an_overflow_of_the_scaled_gradient_in_fp16_is_no_divergence(tiny_base: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_base, tmp_path)
    with pytest.raises(Diverged, match="the gradient norm at step 1 is inf"):
        trainer._get_grad_norm(trainer.model, INFINITE)
    trainer.args.fp16 = True
    assert trainer._get_grad_norm(trainer.model, INFINITE) is INFINITE


def test_of_many_pairs_eight_are_named(tiny_base: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_base, tmp_path)
    eight = [0, 1, 2, 3, 4, 5, 0, 1]
    for more, told in (([], ""), ([2, 3], "; 2 more")):
        trainer._seen = {4: eight + more}
        assert f"it broke for {names(eight)}{told}. Lower" in str(trainer.diverged(5, "it broke"))


SUPERVISED = SupervisedSettings(learning_rate=1e-2, batch_size=4, max_length=32, steps=2, rank=4)
EXAMPLES = [Example(str(n), f"w{n}", f"w{n + 1} w{n + 2}") for n in range(8)]


def test_supervised_training_stops_at_a_gradient_that_is_not_finite(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = supervised.response_loss

    def sharp(outputs: Any, *arguments: Any, **options: Any) -> Tensor:
        return steep(plain(outputs, *arguments, **options), outputs.logits.mean())

    monkeypatch.setattr(supervised, "response_loss", sharp)
    with pytest.raises(
        Diverged, match=r"^supervised training: the gradient norm at step 1 is (inf|nan)\. Lower"
    ):
        train_supervised(tiny_base, EXAMPLES, SUPERVISED, tmp_path)


def test_supervised_training_saves_no_broken_model(tiny_base: Path, tmp_path: Path) -> None:
    settings = replace(SUPERVISED, learning_rate=HUGE, steps=1)
    with pytest.raises(Diverged, match="supervised training: the update of step 1 left weights"):
        train_supervised(tiny_base, EXAMPLES, settings, tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
