"""Preference training through TRL: the tokens trained on, the loss, the counts and the adapter."""

import gc
import json
import math
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import load_file

from harness.data.rows import PreferencePair
from harness.errors import BadInput, HarnessError
from harness.methods.losses import PairLoss, dpo
from harness.models.chat import encode
from harness.models.load import load_policy
from harness.models.logprobs import sequence_logprobs
from harness.models.quiet import quiet
from harness.training.examples import make_examples
from harness.training.moments import read_moments
from harness.training.preference import train
from harness.training.reference import make_reference
from harness.training.runtime import Runtime
from harness.training.settings import TrainingSettings
from harness.training.trainer import PairTrainer, make_trainer

SETTINGS = TrainingSettings(
    loss=PairLoss(partial(dpo, beta=0.5)),
    steps=4,
    pairs_per_step=4,
    micro_batch=2,
    learning_rate=1e-2,
    rank=4,
    max_length=32,
    schedule="linear",
    warmup_steps=0,
    seed=0,
)
PAIRS = [
    PreferencePair(str(n), f"w{n}", f"w{n + 1} w{n + 2} w{n + 3}", f"w{n + 20}", 0, 1, True, n % 2 == 0, 1.0)
    for n in range(6)
]


def trainer_of(base: Path, out: Path, settings: TrainingSettings = SETTINGS) -> PairTrainer:
    policy = load_policy(base)
    examples = make_examples(policy.tokenizer, PAIRS, settings.max_length)
    reference = make_reference(policy, examples.rows, {}, settings.loss.needs)
    with quiet():
        return make_trainer(policy, examples, reference, settings, out)


def test_training_starts_at_ln_2_and_learns(tiny_base: Path, tmp_path: Path) -> None:
    report = train(tiny_base, PAIRS, replace(SETTINGS, steps=12), tmp_path)
    assert report.loss_first == report.history[0].loss == pytest.approx(math.log(2), abs=1e-5)
    assert report.loss_last == report.history[-1].loss < 0.5
    assert len(report.history) == 12
    assert report.history[-1].accuracy == 1.0
    assert report.history[-1].margin > 0.5
    policy, start = load_policy(tiny_base, tmp_path), load_policy(tiny_base)
    chosen = [encode(policy.tokenizer, pair.prompt, pair.chosen, True) for pair in PAIRS]
    assert (sequence_logprobs(policy, chosen) > sequence_logprobs(start, chosen)).mean() > 0.5


def test_tokens_and_pairs_are_counted(tiny_base: Path, tmp_path: Path) -> None:
    """Prompts take 4 tokens, chosen responses 3 + eos. Rejected ones take 1, and eos in even pairs.

    The policy reads a prompt once, and of a response all tokens but the last: 4 + 3 + 1 = 8 tokens of an even
    prompt, 7 of an odd one. 12 drawn prompts are two epochs of 6: 2 * (3 * 8 + 3 * 7) = 90. The reference
    reads whole rows, 8 + 6 = 14 or 13 tokens: 81 more. A seventh pair, whose prompt takes 32 tokens, is
    dropped.

    The reference's 12 rows are padded to 8 tokens: 96 - 81 = 15 pads. The policy's passes of two prompts,
    sorted by length within a step, hold prompts of one length each: none.

    With batching "pairs" the policy reads whole rows, and so does the reference, once. An epoch is one step
    of 4 pairs and one of 2, so 4 steps are 2 * 81 tokens. Every pair has a row of 8, so an epoch runs 15
    pads, and so does the reference.
    """
    full = replace(PAIRS[0], prompt=" ".join(["w1"] * 29), prompt_id="full")
    report = train(tiny_base, [*PAIRS, full], replace(SETTINGS, steps=3), tmp_path)
    assert (report.batching, report.prompts_per_step, report.prefix) == ("prompts", 4, "packed")
    assert (report.tokens_backward, report.tokens_forward) == (90, 171)
    assert report.tokens_padding == 15
    by_pairs = train(tiny_base, PAIRS, replace(SETTINGS, steps=4, batching="pairs"), tmp_path / "pairs")
    assert (by_pairs.batching, by_pairs.prompts_per_step, by_pairs.prefix) == ("pairs", None, None)
    assert (by_pairs.tokens_backward, by_pairs.tokens_forward, by_pairs.reference_rows) == (162, 243, 12)
    assert by_pairs.tokens_padding == 15 + 2 * 15
    assert (report.pairs, report.pairs_dropped, report.pairs_truncated) == (6, 1, 0)
    cut = train(tiny_base, PAIRS, replace(SETTINGS, steps=3, max_length=6), tmp_path)
    assert (cut.pairs, cut.pairs_truncated) == (6, 6)


def test_known_rows_need_no_reference_forward(tiny_base: Path, tmp_path: Path) -> None:
    """90 policy tokens as above and no others; without the first pair's chosen row (8 tokens) 98.

    At `max_length` 6 the six chosen rows are cut, and so are not the ones that are known.
    """
    policy, settings = load_policy(tiny_base), replace(SETTINGS, steps=3)
    examples = make_examples(policy.tokenizer, PAIRS, settings.max_length)
    rows = [row for pair in examples.pairs for row in (pair.chosen, pair.rejected)]
    known = dict(zip(rows, sequence_logprobs(policy, rows).tolist(), strict=True))
    plain, given = (
        train(tiny_base, PAIRS, settings, tmp_path / name, known=rows)
        for name, rows in (("plain", None), ("given", known))
    )
    assert (plain.reference, plain.reference_rows) == ("computed", 12)
    assert (given.reference, given.reference_rows, given.tokens_forward) == ("known", 0, 90)
    assert given.loss_first == pytest.approx(math.log(2), abs=1e-5)
    assert given.loss_last == pytest.approx(plain.loss_last, rel=1e-5)
    del known[examples.pairs[0].chosen]
    partly = train(tiny_base, PAIRS, settings, tmp_path / "partly", known=known)
    assert (partly.reference, partly.reference_rows, partly.tokens_forward) == ("computed", 1, 98)
    cut = train(tiny_base, PAIRS, replace(settings, max_length=6), tmp_path / "cut", known=known)
    assert cut.reference_rows == 6


def test_the_moments_are_those_of_adam(tiny_base: Path, tmp_path: Path) -> None:
    """After one step from zero m = 0.1 g and v = 0.001 g^2, so v = 0.1 m^2; A has no gradient yet."""
    train(tiny_base, PAIRS, replace(SETTINGS, steps=1), tmp_path, keep_moments=True)
    moments = read_moments(tmp_path)
    assert set(moments.first) == set(moments.second)
    assert len(moments.first) == 2 * 7 * 2
    for name, first in moments.first.items():
        torch.testing.assert_close(moments.second[name], 0.1 * first.square(), rtol=1e-4, atol=1e-20)
        assert bool(first.any()) == ("lora_B" in name)


def test_the_folder_holds_an_adapter_for_any_copy_of_the_base(tiny_base: Path, tmp_path: Path) -> None:
    train(tiny_base, PAIRS, SETTINGS, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] is None
    assert config["target_modules"] == sorted(config["target_modules"])
    assert not any("lm_head" in name for name in config["target_modules"])
    weights = load_file(tmp_path / "adapter_model.safetensors")
    assert len(weights) == 2 * 7 * 2  # layers, linear maps in each, factors of each


def test_training_repeats_bit_by_bit_and_depends_on_the_seed(tiny_base: Path, tmp_path: Path) -> None:
    reports = [
        train(tiny_base, PAIRS, replace(SETTINGS, seed=seed), tmp_path / name)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    first, again, other = (load_file(tmp_path / name / "adapter_model.safetensors") for name in "abc")
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert reports[0] == reports[1]
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_micro_batches_do_not_change_the_step(tiny_base: Path, tmp_path: Path) -> None:
    reports = [
        train(tiny_base, PAIRS, replace(SETTINGS, micro_batch=size), tmp_path / str(size)) for size in (1, 4)
    ]
    small, large = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("1", "4"))
    assert reports[0].loss_last == pytest.approx(reports[1].loss_last, rel=1e-4)
    assert reports[0].tokens_forward == reports[1].tokens_forward
    for name, weight in small.items():
        torch.testing.assert_close(weight, large[name], rtol=1e-2, atol=1e-4)


def test_a_constant_schedule_does_not_look_at_the_end(tiny_base: Path, tmp_path: Path) -> None:
    """Four steps are the first four of six, as those of a falling learning rate are not."""
    for schedule, same in (("constant", True), ("linear", False)):
        four, six = (
            train(tiny_base, PAIRS, replace(SETTINGS, schedule=schedule, steps=steps), tmp_path)
            for steps in (4, 6)
        )
        assert (four.history == six.history[:4]) is same
        assert four.loss_last < four.loss_first


def test_progress_counts_steps_and_nothing_is_printed(
    tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[int, int]] = []
    train(tiny_base, PAIRS, SETTINGS, tmp_path, Runtime(lambda done, total: seen.append((done, total))))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert capsys.readouterr() == ("", "")


def test_no_pair_left_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no pair is left of 6, as every prompt fills 4 tokens"):
        train(tiny_base, PAIRS, replace(SETTINGS, max_length=4), tmp_path)
    with pytest.raises(BadInput, match="pairs: there is none to train on"):
        train(tiny_base, [], SETTINGS, tmp_path)


def test_a_start_that_is_not_the_reference_is_an_error(tiny_base: Path, tmp_path: Path) -> None:
    policy = load_policy(tiny_base)
    rows = make_examples(policy.tokenizer, PAIRS, 32).rows
    wrong = {row: float(at) for at, row in enumerate(rows)}
    with pytest.raises(HarnessError, match=r"the first margin is .* nats, not 0"):
        train(tiny_base, PAIRS, SETTINGS, tmp_path, known=wrong)


def test_dropout_is_off(tiny_base: Path, tmp_path: Path) -> None:
    """Inside attention, too, where TRL does not switch it off."""
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    config = json.loads((base / "config.json").read_text()) | {"attention_dropout": 0.5}
    (base / "config.json").write_text(json.dumps(config))
    dropped, plain = (train(folder, PAIRS, SETTINGS, tmp_path / "out") for folder in (base, tiny_base))
    assert dropped == plain


@pytest.mark.parametrize("batching", ["prompts", "pairs"])
def test_a_loss_that_is_not_finite_stops_with_step_and_pair(
    tiny_base: Path, tmp_path: Path, batching: Literal["prompts", "pairs"]
) -> None:
    settings = replace(SETTINGS, learning_rate=1e30, batching=batching)
    named = (
        r"the loss at step 2 is nan for prompt '\d', chosen response 0, rejected 1\. Lower the learning rate"
    )
    with pytest.raises(HarnessError, match=named):
        train(tiny_base, PAIRS, settings, tmp_path)


def test_garbage_is_collected_again_after_a_training(tiny_base: Path, tmp_path: Path) -> None:
    train(tiny_base, PAIRS, SETTINGS, tmp_path)
    assert gc.get_freeze_count() == 0
