"""The loop of training: the only door to TRL."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer

from harness.data.tokens import Encoded, TokenBatch, response_logprobs
from harness.methods.losses import PairLogprobs, PairLoss
from harness.models.load import Policy
from harness.training.examples import Examples, TokenPair, training_order
from harness.training.report import TrainingStep
from harness.training.settings import TrainingSettings


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

    def progress_state(self) -> dict[str, Any]:
        """What `history` and the counts need of the steps done so far: plain JSON."""
        return {
            "tokens": self.tokens,
            "losses": [losses.tolist() for losses in self._losses],
            "margins": [margins.tolist() for margins in self._margins],
        }

    def restore_progress(self, state: Mapping[str, Any]) -> None:
        """Go on from what `progress_state` gave in an earlier process."""
        self.tokens = state["tokens"]
        self._losses = [torch.tensor(losses) for losses in state["losses"]]
        self._margins = [torch.tensor(margins) for margins in state["margins"]]

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


class Progress(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Reports (steps done, steps in all) after each step."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self.report = report

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After an optimiser step."""
        self.report(state.global_step, state.max_steps)


def _row(pair: TokenPair, reference: dict[Encoded, float]) -> dict[str, Any]:
    return {
        "prompt_ids": list(pair.chosen.prompt),
        "chosen_ids": list(pair.chosen.response),
        "rejected_ids": list(pair.rejected.response),
        "ref_chosen_logps": reference[pair.chosen],
        "ref_rejected_logps": reference[pair.rejected],
    }
