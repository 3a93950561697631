"""Supervised fine-tuning: a base model learns to give the responses of a dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers import PrinterCallback, TrainingArguments

from harness.data.tokens import Encoded, pad
from harness.errors import BadInput, Diverged
from harness.methods.still import drop_nothing
from harness.models.chat import Example, encode
from harness.models.load import Policy
from harness.models.quiet import quiet
from harness.models.save import save_model
from harness.models.source import DTYPES, Source, read_source, write_source
from harness.training.adapter import lora_config
from harness.training.arguments import common_arguments, on_one_device
from harness.training.arithmetic import load_to_train
from harness.training.finite import FiniteTrainer
from harness.training.runtime import ALONE, Runtime, run_trainer
from harness.training.settings import SupervisedSettings
from harness.training.tracking import tracked

IGNORED = -100
"""The label of a token that is read and not learnt."""


@dataclass(frozen=True)
class SupervisedReport:
    """What was trained on, and how it went.

    `history` has the loss of each step before its update: nats per response token. `examples` were trained on
    at least once or could have been; `dropped` ones have a prompt that fills `max_length`, or no response;
    `truncated` ones lost the end of their response to it. `tokens` went forward and backward, `padding` pads
    beside them.
    """

    loss_first: float
    loss_last: float
    history: tuple[float, ...]
    examples: int
    dropped: int
    truncated: int
    tokens: int
    padding: int
    parameters: int
    trainable: int


@dataclass(frozen=True)
class Rows:
    """Token rows that fit `max_length`, and what became of the others."""

    rows: tuple[Encoded, ...]
    dropped: int
    truncated: int


def train_supervised(
    base: Path,
    examples: Sequence[Example],
    settings: SupervisedSettings,
    out: Path,
    runtime: Runtime = ALONE,
) -> SupervisedReport:
    """Fine-tune on the examples' responses; write a whole model with its tokenizer into `out`.

    It is loaded as its base was (dtype, attention, template). Rows are those of `models.chat.encode`, as in
    preference training: the loss is on the response, its end included.

    Args:
        base: folder of the base model, or of a pointer to it.
        examples: what is learnt.
        settings: how.
        out: folder to fill.
        runtime: who is told, and where checkpoints lie; one process.

    Raises:
        BadInput: no example fits `max_length`, or the settings ask for layers that are not there.
        Diverged: a loss, the gradient norm of a step or a trained weight is not finite.
    """
    full = settings.weights == "full"
    policy = load_to_train(base, settings.weights, settings.precision, "model.sft")
    policy.model.requires_grad_(full)
    rows = make_rows(policy.tokenizer, examples, settings.max_length)
    with quiet(), tracked(runtime.tracking):
        trainer = make_trainer(policy, rows.rows, settings, out, runtime)
        run_trainer(trainer, runtime)
        trainer.check_weights()
    history = trainer.history()
    report = SupervisedReport(
        loss_first=history[0],
        loss_last=history[-1],
        history=history,
        examples=len(rows.rows),
        dropped=rows.dropped,
        truncated=rows.truncated,
        tokens=trainer.tokens,
        padding=trainer.padding,
        parameters=trainer.model.num_parameters(),
        trainable=trainer.model.num_parameters(only_trainable=True),
    )
    _save(trainer.model, policy.tokenizer, read_source(base), out)
    return report


def make_rows(tokenizer: Tokenizer, examples: Sequence[Example], max_length: int) -> Rows:
    """Encode the examples, and cut the responses so that no row exceeds `max_length` tokens.

    Raises:
        BadInput: none is left, as every prompt fills `max_length`, or there was none.
    """
    encoded = [encode(tokenizer, each.prompt, each.response, finished=True) for each in examples]
    kept = [row for row in encoded if len(row.prompt) < max_length and row.response]
    if not kept:
        raise BadInput(
            f"model.sft.max_length: no example is left of {len(examples)} within {max_length} tokens. Give "
            "more examples or a larger max_length."
        )
    return Rows(
        rows=tuple(Encoded(row.prompt, row.response[: max_length - len(row.prompt)]) for row in kept),
        dropped=len(encoded) - len(kept),
        truncated=sum(len(row) > max_length for row in kept),
    )


class SupervisedTrainer(FiniteTrainer):
    """The library's trainer on rows that are tokens already; it remembers the loss of each step."""

    def __init__(self, **arguments: Any) -> None:
        self.tokens = self.padding = 0
        self._batches: list[tuple[int, Tensor]] = []
        super().__init__(compute_loss_func=response_loss, **arguments)

    def history(self) -> tuple[float, ...]:
        """The loss of each step, in order: a micro-batch holds its part of it."""
        steps: dict[int, float] = {}
        for step, loss in self._batches:
            steps[step] = steps.get(step, 0.0) + float(loss)
        return tuple(steps.values())

    def progress_state(self) -> dict[str, Any]:
        """What goes on from step to step besides the weights: plain JSON."""
        batches = [[step, float(loss)] for step, loss in self._batches]
        return {"tokens": self.tokens, "padding": self.padding, "batches": batches}

    def restore_progress(self, state: Mapping[str, Any]) -> None:
        """Go on from what `progress_state` gave in an earlier process."""
        self.tokens, self.padding = state["tokens"], state["padding"]
        self._batches = [(step, torch.tensor(loss)) for step, loss in state["batches"]]

    def diverged(self, step: int, what: str) -> Diverged:
        """Names no data: all of it is given, and nothing chosen."""
        return Diverged(f"supervised training: {what}. Lower the learning rate.")

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], *arguments: Any, **options: Any) -> Tensor:
        """The part of the step's loss that a micro-batch holds."""
        tokens = int(inputs["attention_mask"].sum())
        self.tokens += tokens
        self.padding += inputs["attention_mask"].numel() - tokens
        loss: Tensor = super().compute_loss(model, inputs, *arguments, **options)
        if not torch.isfinite(loss):
            step = self.state.global_step + 1
            raise self.diverged(step, f"the loss at step {step} is {float(loss)}")
        self._batches.append((self.state.global_step, loss.detach()))
        return loss


def response_loss(outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int) -> Tensor:
    """Sum of the response tokens' cross-entropy in fp32, over the number of such tokens in the whole step.

    Args:
        outputs: with `logits` [rows, length, vocabulary]; position t is predicted from position t - 1.
        labels: [rows, length], `IGNORED` outside the responses.
        num_items_in_batch: response tokens of all micro-batches of the step.
    """
    targets = labels[:, 1:]
    learnt = targets != IGNORED
    logits = outputs.logits[:, :-1][learnt].float()  # the others are not worth a copy in fp32
    return F.cross_entropy(logits, targets[learnt], reduction="sum") / num_items_in_batch


def make_trainer(
    policy: Policy, rows: Sequence[Encoded], settings: SupervisedSettings, out: Path, runtime: Runtime = ALONE
) -> SupervisedTrainer:
    """A trainer ready to run, with a fresh adapter in the policy's model where one is trained."""
    adapter = lora_config(policy.model, settings)
    micro = settings.micro_batch or settings.batch_size
    on_cpu = policy.device.type == "cpu"
    arguments = on_one_device(
        TrainingArguments(
            max_steps=settings.steps,
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=settings.batch_size // micro,
            **common_arguments(settings, out, runtime, on_cpu),
        )
    )
    torch.manual_seed(settings.seed)  # of the adapter's fresh weights
    trainer = SupervisedTrainer(
        model=policy.model if adapter is None else get_peft_model(policy.model, adapter),
        args=arguments,
        train_dataset=list(rows),
        data_collator=_Collator(policy.tokenizer.pad_token_id),
    )
    trainer.remove_callback(PrinterCallback)  # it writes to standard output
    drop_nothing(trainer.model)
    return trainer


@dataclass(frozen=True)
class _Collator:
    pad_id: int

    def __call__(self, rows: Sequence[Encoded]) -> dict[str, Tensor]:
        batch = pad(rows, self.pad_id)
        labels = batch.input_ids.masked_fill(~batch.response_mask, IGNORED)
        return {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "labels": labels}


def _save(model: Any, tokenizer: Tokenizer, source: Source, out: Path) -> None:
    merged = model.merge_and_unload() if isinstance(model, PeftModel) else model
    save_model(merged.to(DTYPES[source.dtype]), tokenizer, out)
    if source != Source():
        write_source(out, replace(source, name=None, revision=None, template=None))
