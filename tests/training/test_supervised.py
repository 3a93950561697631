"""Supervised fine-tuning: what is learnt, that it falls, and the model that is left."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
import torch
from safetensors.torch import load_file

from harness.errors import BadInput, Diverged
from harness.models.chat import Example, encode
from harness.models.load import load_policy, load_tokenizer
from harness.models.logprobs import sequence_logprobs
from harness.models.quiet import quiet
from harness.models.source import Source, write_source
from harness.training.checkpoints import Checkpoints
from harness.training.runtime import Runtime
from harness.training.settings import SupervisedSettings
from harness.training.supervised import IGNORED, make_rows, make_trainer, response_loss, train_supervised

SETTINGS = SupervisedSettings(
    learning_rate=1e-2, batch_size=4, max_length=32, steps=6, micro_batch=2, weights="lora", rank=4
)
EXAMPLES = [Example(str(n), f"w{n}", "w8" if n == 7 else f"w{n + 1} w{n + 2}") for n in range(8)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_the_loss_falls_and_the_model_has_learnt_its_end_too(
    tiny_base: Path, tmp_path: Path, kind: Literal["lora", "full"]
) -> None:
    settings = replace(SETTINGS, weights=kind, steps=30)
    report = train_supervised(tiny_base, EXAMPLES, settings, tmp_path)
    assert report.loss_first > math.log(60) / 2
    assert report.loss_last < report.loss_first / 2
    assert len(report.history) == 30
    start, trained = load_policy(tiny_base), load_policy(tmp_path)
    rows = make_rows(start.tokenizer, EXAMPLES[:7], 32).rows
    assert (sequence_logprobs(trained, rows) > sequence_logprobs(start, rows)).all()
    ends = [
        torch.stack(
            [
                p.model(torch.tensor([row.prompt + row.response])).logits[0, -2].log_softmax(-1)[2]
                for row in rows
            ]
        )
        for p in (start, trained)
    ]
    assert (ends[1] > ends[0]).all()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_half_precision_without_a_gpu_names_its_own_place(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^model\.sft\.precision: 'fp16' needs a CUDA GPU"):
        train_supervised(tiny_base, [], replace(SETTINGS, precision="fp16"), tmp_path)


def test_the_first_loss_is_that_of_the_base_model(tiny_base: Path, tmp_path: Path) -> None:
    """All examples in one step: the loss is minus the rows' log-probabilities over their tokens."""
    settings = replace(SETTINGS, batch_size=8, micro_batch=2, steps=1)
    report = train_supervised(tiny_base, EXAMPLES, settings, tmp_path)
    policy = load_policy(tiny_base)
    rows = make_rows(policy.tokenizer, EXAMPLES, 32).rows
    expected = -sequence_logprobs(policy, rows).sum() / sum(len(row.response) for row in rows)
    assert report.loss_first == pytest.approx(expected, rel=1e-5)
    assert report.tokens == sum(map(len, rows))
    assert report.padding == 1, "seven rows of 7 tokens and one of 6, two in a batch"


def test_the_batches_hold_the_rows_of_encode_and_their_responses_alone_are_learnt(
    tiny_base: Path, tmp_path: Path
) -> None:
    policy = load_policy(tiny_base)
    rows = make_rows(policy.tokenizer, EXAMPLES, 32).rows
    assert rows == tuple(encode(policy.tokenizer, e.prompt, e.response, finished=True) for e in EXAMPLES)
    with quiet():
        trainer = make_trainer(policy, rows, replace(SETTINGS, batch_size=8, micro_batch=8), tmp_path)
        (batch,) = list(trainer.get_train_dataloader())
    seen = set()
    for ids, mask, labels in zip(batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True):
        kept = labels[labels != IGNORED].tolist()
        seen.add((tuple(ids[mask.bool()].tolist()), tuple(kept)))
    assert seen == {(row.prompt + row.response, row.response) for row in rows}
    assert all(learnt[-1] == 2 for _, learnt in seen), "all end in eos"


def test_the_loss_of_a_step_weighs_every_response_token_alike() -> None:
    """Uniform logits over 4 tokens: each of 3 learnt tokens costs ln 4, of 6 in the step: 3 ln 4 / 6."""
    labels = torch.tensor([[IGNORED, 1, 2, 3]])
    outputs = SimpleNamespace(logits=torch.zeros(1, 4, 4))
    assert float(response_loss(outputs, labels, 6)) == pytest.approx(math.log(4) / 2)


def test_the_same_seed_gives_the_same_bits(tiny_base: Path, tmp_path: Path) -> None:
    reports = [
        train_supervised(tiny_base, EXAMPLES, replace(SETTINGS, seed=seed), tmp_path / name)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    one, two, other = (weights(tmp_path / name) for name in "abc")
    assert reports[0] == reports[1]
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_micro_batches_do_not_change_the_step(tiny_base: Path, tmp_path: Path) -> None:
    """Rows differ in length, so a mean of micro-batch means would not be the same."""
    examples = [replace(each, response=each.response + " w9" * at) for at, each in enumerate(EXAMPLES)]
    small, large = (
        train_supervised(tiny_base, examples, replace(SETTINGS, micro_batch=size), tmp_path / str(size))
        for size in (1, 4)
    )
    assert small.history == pytest.approx(large.history, rel=1e-4)


def test_long_rows_are_cut_and_full_prompts_dropped(tiny_base: Path) -> None:
    """Rows take 4 + 3 tokens: at 6 all lose one, and a prompt of 10 words is dropped."""
    tokenizer = load_tokenizer(tiny_base)
    rows = make_rows(tokenizer, [*EXAMPLES[:3], Example("long", "w1 " * 10, "w2")], 6)
    assert (len(rows.rows), rows.dropped, rows.truncated) == (3, 1, 3)
    assert all(len(row) == 6 and row.response[-1] != 2 for row in rows.rows)
    with pytest.raises(BadInput, match=r"max_length: no example is left of 8 within 4 tokens"):
        make_rows(tokenizer, EXAMPLES, 4)


def test_the_result_is_loaded_as_its_base_was(tiny_base: Path, tmp_path: Path) -> None:
    template = "{{ bos_token }} <user> {{ messages[0]['content'] }} <assistant>"
    write_source(
        tmp_path / "base", Source(str(tiny_base), dtype="bf16", attention="eager", template=template)
    )
    train_supervised(tmp_path / "base", EXAMPLES, replace(SETTINGS, steps=2), tmp_path / "out")
    policy = load_policy(tmp_path / "out")
    assert (policy.model.dtype, policy.model.config._attn_implementation) == (torch.bfloat16, "eager")
    assert policy.tokenizer.chat_template == template
    assert {value.dtype for value in weights(tmp_path / "out").values()} == {torch.bfloat16}


def test_a_stopped_training_goes_on_to_the_same_weights(tiny_base: Path, tmp_path: Path) -> None:
    class Clock:
        seconds = (0.0, 0.0)

        def carry(self, wall_s: float, cpu_s: float) -> None:
            """Seconds do not matter here."""

    class Stopped(Exception):
        pass

    def stop(done: int, of: int) -> None:
        if done == 4:
            raise Stopped

    seen: list[int] = []
    checkpoints = Checkpoints(tmp_path / "saved", lambda: "this", Clock(), every_s=0, share=math.inf)
    with pytest.raises(Stopped):
        train_supervised(tiny_base, EXAMPLES, SETTINGS, tmp_path / "a", Runtime(stop, checkpoints))
    going_on = Runtime(lambda done, of: seen.append(done), checkpoints)
    resumed = train_supervised(tiny_base, EXAMPLES, SETTINGS, tmp_path / "a", going_on)
    straight = train_supervised(tiny_base, EXAMPLES, SETTINGS, tmp_path / "b")
    assert seen == [4, 5, 6]
    assert resumed == straight
    one, two = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_nothing_is_printed(tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_supervised(tiny_base, EXAMPLES, replace(SETTINGS, steps=1), tmp_path)
    assert capsys.readouterr() == ("", "")


def test_a_loss_that_is_no_number_stops(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"the loss at step 2 is nan\. Lower the learning rate"):
        train_supervised(tiny_base, EXAMPLES, replace(SETTINGS, learning_rate=1e30), tmp_path)


def test_a_micro_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(BadInput, match=r"model\.sft\.micro_batch: must divide rows_per_step \(4\)\. Got 3"):
        replace(SETTINGS, micro_batch=3)
