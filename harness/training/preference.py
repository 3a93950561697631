"""Preference training of a LoRA adapter: the only door to TRL."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model_state_dict
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import save_file
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer

from harness.data.rows import PreferencePair
from harness.data.tokens import Encoded, TokenBatch, response_logprobs
from harness.errors import BadInput, HarnessError
from harness.methods.losses import PairLogprobs, PairLoss
from harness.models.load import Policy, load_policy
from harness.models.logprobs import sequence_logprobs
from harness.models.quiet import quiet
from harness.training.examples import Examples, TokenPair, make_examples, training_order
from harness.training.moments import adam_moments, write_moments

START_TOLERANCE = 1e-3
"""How far from 0 the first margin may lie, in nats; padding alone moves it by about 1e-5 in fp32."""


@dataclass(frozen=True)
class TrainingSettings:
    """How to train: to make the mean of `loss` small.

    An optimiser step sees `pairs_per_step` pairs, `micro_batch` of them at a time; rows longer than
    `max_length` tokens are cut. `rank` is the LoRA rank; the LoRA scaling is 1 (alpha = rank). `schedule` is
    a learning-rate schedule of transformers ("linear", "cosine", ...).
    """

    loss: PairLoss
    steps: int
    pairs_per_step: int
    micro_batch: int
    learning_rate: float
    rank: int
    max_length: int
    schedule: str
    warmup_steps: int
    seed: int

    def __post_init__(self) -> None:
        if self.pairs_per_step % self.micro_batch:
            raise BadInput(
                f"training.micro_batch: must divide pairs_per_step ({self.pairs_per_step}). "
                f"Got {self.micro_batch}."
            )


@dataclass(frozen=True)
class TrainingStep:
    """Means over one step's pairs, before its update; the margin is that of the log-ratios, in nats."""

    loss: float
    margin: float
    accuracy: float


@dataclass(frozen=True)
class TrainingReport:
    """What was trained on, and how it went. Tokens leave pads out.

    `reference` says where the reference's log-probabilities came from: all of them were known ("bank"), or
    those of `reference_rows` rows were computed. `tokens_forward` counts the policy's rows and those of the
    reference that were computed; `tokens_backward` the policy's alone. `parameters` counts all that a token
    passes through, the adapter included, `trainable` the adapter's.
    """

    loss_first: float
    loss_last: float
    history: tuple[TrainingStep, ...]
    pairs: int
    pairs_dropped: int
    pairs_truncated: int
    reference: Literal["bank", "computed"]
    reference_rows: int
    tokens_forward: int
    tokens_backward: int
    parameters: int
    trainable: int


def train(  # noqa: PLR0913
    base: Path,
    pairs: Sequence[PreferencePair],
    settings: TrainingSettings,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
    known: Mapping[Encoded, float] | None = None,
    known_tokens: Mapping[Encoded, NDArray[np.float32]] | None = None,
    keep_moments: bool = False,
) -> TrainingReport:
    """Train a LoRA adapter on all linear layers and write it to `out` in PEFT's format.

    The reference is the base model; its log-probabilities are computed once for each distinct row.

    Args:
        base: folder of the base model.
        pairs: what is trained on.
        settings: how.
        out: folder to fill.
        progress: called with (steps done, steps in all) after each step.
        known: log-probabilities of rows under the base model, in nats, as it is loaded here. They are not
            computed again; a row that `max_length` cuts is another row.
        known_tokens: the same of each response token, for a loss that needs "common" ones.
        keep_moments: also write Adam's moments (`training.moments`).

    Raises:
        BadInput: no pair is left after those whose prompt fills `max_length`.
        HarnessError: policy and reference do not start equal, or a loss is not finite.
    """
    policy = load_policy(base)
    examples = make_examples(policy.tokenizer, pairs, settings.max_length)
    if not examples.pairs:
        raise BadInput(
            f"training.max_length: no pair is left of {len(pairs)}, as every prompt fills "
            f"{settings.max_length} tokens. Give more pairs or a larger max_length."
        )
    reference, computed = _reference(policy, examples, known or {})
    with quiet():
        trainer = make_trainer(policy, examples, reference, settings, out)
        if progress is not None:
            trainer.add_callback(_Progress(progress))
        trainer.train()
    history = trainer.history()
    _check(history)
    _save_adapter(trainer.model, out)
    if keep_moments:
        write_moments(out, adam_moments(trainer.model, trainer.optimizer.state))
    return TrainingReport(
        loss_first=history[0].loss,
        loss_last=history[-1].loss,
        history=history,
        pairs=min(len(examples.pairs), settings.steps * settings.pairs_per_step),
        pairs_dropped=examples.dropped,
        pairs_truncated=examples.truncated,
        reference="computed" if computed else "bank",
        reference_rows=len(computed),
        tokens_forward=trainer.tokens + sum(map(len, computed)),
        tokens_backward=trainer.tokens,
        parameters=trainer.model.num_parameters(),
        trainable=trainer.model.num_parameters(only_trainable=True),
    )


def _reference(
    policy: Policy, examples: Examples, known: Mapping[Encoded, float]
) -> tuple[dict[Encoded, float], list[Encoded]]:
    """The reference's log-probability of each distinct row, and the rows for which it was computed."""
    rows = dict.fromkeys(row for pair in examples.pairs for row in (pair.chosen, pair.rejected))
    missing = [row for row in rows if row not in known]
    found = {row: known[row] for row in rows if row in known}
    if missing:
        found |= dict(zip(missing, sequence_logprobs(policy, missing).tolist(), strict=True))
    return found, missing


class PairTrainer(DPOTrainer):  # type: ignore[misc]  # TRL ships no types
    """TRL's trainer on rows that are tokens already, with the plain language-model head.

    TRL would append an end-of-sequence token to every response, also to one that was cut off. And its
    head computes logits in chunks, twice, to save memory, and metrics that nobody reads: the same loss
    at 1.3 times the time.
    """

    def start_record(self, loss: PairLoss) -> None:
        """Train with `loss`; begin to count tokens and to keep what `history` reports."""
        self.pair_loss = loss
        self.tokens = 0
        self._losses: list[Tensor] = []
        self._margins: list[Tensor] = []

    def history(self) -> tuple[TrainingStep, ...]:
        """One entry for each optimiser step, in order."""
        losses, margins = (
            torch.cat(each).view(self.state.global_step, -1) for each in (self._losses, self._margins)
        )
        rows = zip(
            losses.mean(1).tolist(),
            margins.mean(1).tolist(),
            (margins > 0).float().mean(1).tolist(),
            strict=True,
        )
        return tuple(TrainingStep(loss, margin, accuracy) for loss, margin, accuracy in rows)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: int | None = None,
    ) -> Tensor:
        """Mean loss of a micro-batch; its rows are all chosen, then all rejected."""
        batch = TokenBatch(inputs["input_ids"], inputs["attention_mask"], inputs["completion_mask"])
        output = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
        policy_w, policy_l = response_logprobs(output.logits, batch).chunk(2)
        reference_w, reference_l = inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        len_w, len_l = batch.response_mask.sum(1).chunk(2)
        pairs = PairLogprobs(policy_w, policy_l, reference_w, reference_l, len_w, len_l)
        losses = self.pair_loss.value(pairs)
        self.tokens += int(batch.attention_mask.sum())
        self._losses.append(losses.detach())
        self._margins.append(pairs.margin.detach())
        return losses.mean()

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset


def make_trainer(
    policy: Policy,
    examples: Examples,
    reference: dict[Encoded, float],
    settings: TrainingSettings,
    out: Path,
) -> PairTrainer:
    """A trainer ready to run: rows in the order of training, and a fresh adapter in the policy's model."""
    order = training_order(
        [pair.length for pair in examples.pairs], settings.steps, settings.pairs_per_step, settings.seed
    )
    on_cpu = policy.device.type == "cpu"
    config = DPOConfig(
        output_dir=str(out),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.micro_batch,
        gradient_accumulation_steps=settings.pairs_per_step // settings.micro_batch,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup_steps,
        max_length=settings.max_length,
        seed=settings.seed,
        train_sampling_strategy="sequential",
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        bf16=False,
        gradient_checkpointing=False,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = PairTrainer(
        model=policy.model,
        args=config,
        train_dataset=Dataset.from_list([_row(examples.pairs[index], reference) for index in order]),
        processing_class=policy.tokenizer,
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=settings.rank, lora_alpha=settings.rank, target_modules="all-linear"
        ),
    )
    trainer.remove_callback(PrinterCallback)  # it writes to standard output
    trainer.start_record(settings.loss)
    return trainer


def _save_adapter(model: Any, out: Path) -> None:
    """Write the weights and the config of an adapter, and nothing else (PEFT would add a model card)."""
    out.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    save_file(
        {name: value.cpu().contiguous() for name, value in state.items()}, out / SAFETENSORS_WEIGHTS_NAME
    )
    config = model.peft_config["default"]
    config.inference_mode = True
    config.base_model_name_or_path = None
    config.target_modules = sorted(config.target_modules)  # a set would be written in another order each time
    config.save_pretrained(out)


class _Progress(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    def __init__(self, report: Callable[[int, int], None]) -> None:
        self.report = report

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.report(state.global_step, state.max_steps)


def _row(pair: TokenPair, reference: dict[Encoded, float]) -> dict[str, Any]:
    return {
        "prompt_ids": list(pair.chosen.prompt),
        "chosen_ids": list(pair.chosen.response),
        "rejected_ids": list(pair.rejected.response),
        "ref_chosen_logps": reference[pair.chosen],
        "ref_rejected_logps": reference[pair.rejected],
    }


def _check(history: Sequence[TrainingStep]) -> None:
    """A fresh adapter changes nothing, so the first margins are 0."""
    if not abs(history[0].margin) < START_TOLERANCE:
        raise HarnessError(
            f"training: the first margin is {history[0].margin:.6f} nats, not 0, so policy and reference do "
            "not start equal. Check that the base model has no dropout or adapter of its own."
        )
    for step, entry in enumerate(history, 1):
        if not math.isfinite(entry.loss):
            raise HarnessError(f"training: the loss at step {step} is {entry.loss}. Lower the learning rate.")
