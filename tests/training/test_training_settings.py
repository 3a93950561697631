"""What a training may be asked for: weights, precision, targets, micro-batches, losses with own needs."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_preference_training import PAIRS, SETTINGS
from torch import Tensor

from harness.data.rows import PreferencePair
from harness.errors import BadInput, HarnessError
from harness.methods.losses import PairLogprobs, PairLoss, length
from harness.models.chat import encode
from harness.models.load import load_policy
from harness.models.logprobs import sequence_logprobs
from harness.models.quiet import quiet
from harness.training.examples import make_examples
from harness.training.preference import train
from harness.training.reference import make_reference
from harness.training.report import MicroBatch, TrainingStep, flags_of, history_of
from harness.training.runtime import Runtime
from harness.training.trainer import make_trainer

# Of four prompts the first two have all three pairs of their responses, the others one.
TEXTS = ("w10 w11 w12", "w13", "w14 w15")
GROUPED = [
    PreferencePair(f"p{n}", f"w{n} w{n + 1}", TEXTS[one], TEXTS[other], one, other, True, True, 1.0)
    for n, sides in enumerate([((0, 1), (0, 2), (1, 2))] * 2 + [((0, 1),)] * 2)
    for one, other in sides
]


def weights_of(folder: Path) -> dict[str, Tensor]:
    return load_file(next(folder.glob("*.safetensors")))


def assert_near(first: Path, second: Path, atol: float = 1e-4) -> None:
    """Adam divides by the gradient's size, so rounding moves a weight by more than its own share."""
    others = weights_of(second)
    for name, weight in weights_of(first).items():
        torch.testing.assert_close(weight, others[name], rtol=1e-2, atol=atol)


def test_micro_batches_and_their_prompts_do_not_change_the_step(tiny_base: Path, tmp_path: Path) -> None:
    """8 pairs of 4 prompts: a step of 8 pairs holds all 4 prompts, in 1, 2 or 4 parts of unequal depth."""
    reports = []
    for size in (8, 4, 1):
        settings = replace(SETTINGS, pairs_per_step=8, micro_batch=size)
        reports.append(train(tiny_base, GROUPED, settings, tmp_path / str(size)))
    assert [report.prompts_per_step for report in reports] == [4, 4, 4]
    assert len({report.tokens_backward for report in reports}) == 1
    assert reports[1].loss_last == pytest.approx(reports[0].loss_last, rel=1e-4)
    assert_near(tmp_path / "8", tmp_path / "4")
    assert_near(tmp_path / "8", tmp_path / "1")


def test_every_pair_weighs_the_same_whatever_its_batch_mates(tiny_base: Path, tmp_path: Path) -> None:
    """2 prompts a step hold 4 pairs on average, so a pair's loss has the weight 1 / 4 everywhere.

    In two parts, HF's mean over the parts halves what `compute_loss` gives: each is the pairs' sum over 2.
    The model is the reference, so each loss is ln 2: ln 2 * pairs / 2.
    """
    settings = replace(SETTINGS, pairs_per_step=4, micro_batch=2)
    policy = load_policy(tiny_base)
    examples = make_examples(policy.tokenizer, GROUPED, 32)
    reference = make_reference(policy, examples.rows, {}, settings.loss.needs)
    with quiet():
        trainer = make_trainer(policy, examples, reference, settings, tmp_path)
    depths = set()
    for inputs in trainer.get_train_dataloader():
        loss = trainer.compute_loss(trainer.model, inputs)
        (_, pairs, _), *_ = trainer._batches[-1:]
        depths.add(pairs)
        assert float(loss.detach()) == pytest.approx(pairs * 0.693147 / 2, rel=1e-4)
    assert depths == {1, 3}


def test_prompts_per_step_is_taken_as_given(tiny_base: Path, tmp_path: Path) -> None:
    report = train(tiny_base, GROUPED, replace(SETTINGS, prompts_per_step=3, steps=1), tmp_path)
    assert report.prompts_per_step == 3
    assert report.pairs in (5, 7)  # of depths 3 3 1 1, without one of them


def test_a_step_of_too_few_prompts_for_the_processes_says_what_helps(tiny_base: Path, tmp_path: Path) -> None:
    """Two prompts with three pairs each: a step of 4 pairs takes one, whatever the micro-batch.

    With two it goes on, until it finds that it is one process; unless a micro-batch of 4 pairs makes them one
    pass, which a smaller one mends.
    """
    two, deep, settings = Runtime(processes=2), GROUPED[:6], replace(SETTINGS, micro_batch=1)
    few = r"^training\.prompts_per_step: a step has no more forward passes than prompts, here 1, which 2 "
    with pytest.raises(BadInput, match=few):
        train(tiny_base, deep, settings, tmp_path, two)
    with pytest.raises(HarnessError, match="2 processes were asked for, but 1 run"):
        train(tiny_base, deep, replace(settings, prompts_per_step=2), tmp_path, two)
    with pytest.raises(BadInput, match=r"^training\.micro_batch: a step has 1 forward passes, which 2 "):
        train(tiny_base, deep, replace(settings, prompts_per_step=2, micro_batch=4), tmp_path, two)


def test_checkpointing_changes_nothing(tiny_base: Path, tmp_path: Path) -> None:
    for name, on in (("plain", False), ("checkpointed", True)):
        report = train(tiny_base, GROUPED, replace(SETTINGS, gradient_checkpointing=on), tmp_path / name)
        assert report.prefix == "packed"
    assert_near(tmp_path / "plain", tmp_path / "checkpointed")


def test_bf16_trains_fp32_weights_from_a_reference_in_bf16(tiny_base: Path, tmp_path: Path) -> None:
    """Policy and reference round alike, so that the first loss is that of equal ones."""
    report = train(tiny_base, GROUPED, replace(SETTINGS, precision="bf16", steps=12), tmp_path)
    assert (report.reference, report.reference_rows) == ("computed", 10)
    assert report.loss_last < report.loss_first == pytest.approx(0.693, abs=0.02)
    assert {weight.dtype for weight in weights_of(tmp_path).values()} == {torch.float32}


@pytest.mark.parametrize("batching", ["prompts", "pairs"])
def test_full_training_writes_a_model_that_loads_in_the_base_s_place(
    tiny_base: Path, tmp_path: Path, batching: Any
) -> None:
    """Every weight may move, and the chosen responses gain on the rejected ones."""
    settings = replace(SETTINGS, weights="full", batching=batching, steps=8, learning_rate=1e-3)
    report = train(tiny_base, PAIRS, settings, tmp_path)
    start, trained = load_policy(tiny_base), load_policy(tiny_base, tmp_path)
    assert report.trainable == report.parameters == start.model.num_parameters()
    assert not (tmp_path / "adapter_config.json").exists()
    before = dict(start.model.named_parameters())
    assert all(not torch.equal(w, before[name]) for name, w in trained.model.named_parameters())
    sides = [
        [encode(start.tokenizer, p.prompt, text, done) for p, text, done in rows]
        for rows in (
            [(p, p.chosen, True) for p in PAIRS],
            [(p, p.rejected, p.rejected_finished) for p in PAIRS],
        )
    ]
    margin = [sequence_logprobs(trained, rows) - sequence_logprobs(start, rows) for rows in sides]
    assert float((margin[0] - margin[1]).mean()) > 0.3
    assert report.history[-1].loss < report.history[0].loss == pytest.approx(0.6931, abs=1e-4)


def test_an_adapter_on_some_layers(tiny_base: Path, tmp_path: Path) -> None:
    train(tiny_base, PAIRS, replace(SETTINGS, targets=("q_proj", "v_proj")), tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["target_modules"] == ["q_proj", "v_proj"]
    assert len(weights_of(tmp_path)) == 2 * 2 * 2


@pytest.mark.parametrize(
    ("targets", "problem"),
    [
        (("q_proj", "query"), "'query' matches no linear layer of the model"),
        (("lm_head",), "'lm_head' is the head, which has no adapter"),
    ],
)
def test_a_target_that_is_no_layer_is_refused(
    tiny_base: Path, tmp_path: Path, targets: Sequence[str], problem: str
) -> None:
    with pytest.raises(BadInput, match=rf"^training\.targets: {problem}\. It has: down_proj, gate_proj"):
        train(tiny_base, PAIRS, replace(SETTINGS, targets=tuple(targets)), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_four_bits_without_a_gpu_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^training\.weights: 'qlora' needs a CUDA GPU .* Use 'lora'\.$"):
        train(tiny_base, PAIRS, replace(SETTINGS, weights="qlora"), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_half_precision_without_a_gpu_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"^training\.precision: 'fp16' needs a CUDA GPU, .* Use 'bf16' or 'fp32'"
    ):
        train(tiny_base, PAIRS, replace(SETTINGS, precision="fp16"), tmp_path)


def test_a_loss_without_reference_computes_none(tiny_base: Path, tmp_path: Path) -> None:
    """The margins are then those of the log-probabilities themselves, and the first is not 0."""
    loss = PairLoss(partial(length.simpo, beta=2.0, gamma=0.5), frozenset())
    for batching in ("prompts", "pairs"):
        report = train(tiny_base, PAIRS, replace(SETTINGS, loss=loss, batching=batching), tmp_path / batching)
        assert (report.reference, report.reference_rows) == ("none", 0)
        assert report.tokens_forward == report.tokens_backward
        assert abs(report.history[0].margin) > 0.1


def test_a_running_loss_has_its_state_brought_up_before_each_value(tiny_base: Path, tmp_path: Path) -> None:
    """The state counts pairs, 2 a micro-batch: the losses are 2, 4, ... 16, and the steps' means 3, 7, ..."""

    def count(pairs: PairLogprobs, state: Tensor | None) -> Tensor:
        seen = torch.tensor([float(len(pairs.policy_w))])
        return seen if state is None else state + seen

    def value(pairs: PairLogprobs) -> Tensor:
        assert pairs.running is not None
        return 0 * pairs.policy_w + pairs.running

    loss = PairLoss(value, frozenset({"running"}), count)
    report = train(tiny_base, PAIRS, replace(SETTINGS, loss=loss), tmp_path)
    assert [step.loss for step in report.history] == pytest.approx([3, 7, 11, 15])


def test_common_and_certainty_reach_the_loss(tiny_base: Path, tmp_path: Path) -> None:
    """At the start policy and reference agree on the common tokens too, in both ways to batch."""
    seen = []

    def value(pairs: PairLogprobs) -> Tensor:
        assert pairs.common is not None
        assert pairs.certainty_w is not None
        seen.append((float(pairs.common.margin.detach().abs().max()), pairs.common.len_w.tolist()))
        assert bool((pairs.certainty_w != 0).all())
        return pairs.margin

    loss = PairLoss(value, frozenset({"reference", "common", "certainty"}))
    for batching in ("prompts", "pairs"):
        settings = replace(SETTINGS, loss=loss, batching=batching, steps=1, micro_batch=4)
        report = train(tiny_base, PAIRS, settings, tmp_path)
        assert report.reference == "computed"
    (first, lengths), (second, others) = seen
    assert max(first, second) < 1e-4
    assert set(lengths) | set(others) == {1, 2}  # rejected responses: one word, or one word and the end


def test_progress_goes_from_one_trainer_to_the_next(tiny_base: Path, tmp_path: Path) -> None:
    def fresh() -> Any:
        policy = load_policy(tiny_base)
        examples = make_examples(policy.tokenizer, PAIRS, 32)
        reference = make_reference(policy, examples.rows, {}, SETTINGS.loss.needs)
        with quiet():
            return make_trainer(policy, examples, reference, replace(SETTINGS, steps=2), tmp_path)

    first, second = fresh(), fresh()
    with quiet():
        first.train()
    second.restore_progress(json.loads(json.dumps(first.progress_state())))
    assert second.history() == first.history()
    assert len(second.history()) == 2
    assert second.progress_state() == first.progress_state()


def test_a_step_s_means_are_over_its_pairs() -> None:
    """3 pairs and 1: losses sum to 3 and 2, so 5 / 4; the second step has one micro-batch."""
    batches = [
        MicroBatch(0, 3, loss=3.0, margin=1.5, accurate=2.0, chosen=-3.0),
        MicroBatch(1, 2, loss=1.0, margin=4.0, accurate=2.0, chosen=-4.0),
        MicroBatch(0, 1, loss=2.0, margin=0.5, accurate=1.0, chosen=-1.0),
    ]
    assert history_of(batches) == (TrainingStep(1.25, 0.5, 0.75, -1.0), TrainingStep(0.5, 2.0, 1.0, -2.0))


def test_a_fall_of_the_chosen_responses_is_flagged() -> None:
    """20 steps: the last two at -1.4 and -1.0 lie 1.2 under the first; at -1.0 both lie just on the line."""

    def flags(*last: float) -> tuple[str, ...]:
        chosen = [0.0] * 18 + list(last)
        return flags_of([TrainingStep(0.5, 0.0, 0.5, each) for each in chosen])

    assert flags(-1.4, -1.0) == ("chosen responses fall: by 1.20 nats per token",)
    assert flags(-1.0, -1.0) == ()
