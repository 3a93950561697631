"""The loop of training: TRL's, with our batches, losses and record."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PrinterCallback
from trl import DPOConfig, DPOTrainer

from harness.errors import Diverged, HarnessError
from harness.methods.losses import PairLogprobs, PairLoss, implicit_rewards
from harness.methods.losses.pairs import per_token
from harness.methods.still import drop_nothing
from harness.models.load import Policy
from harness.training.adapter import lora_config
from harness.training.arguments import common_arguments, on_one_device
from harness.training.batching import Batching, PairBatch, PromptBatching, RowBatching
from harness.training.exactness import TOLERANCES, candidate_prefixes, exact_prefix
from harness.training.examples import Examples, pair_name
from harness.training.finite import FiniteTrainer
from harness.training.grouped import group_pairs, prompts_in_step
from harness.training.processes import shared_arguments
from harness.training.reference import Reference
from harness.training.report import MicroBatch, TrainingStep, history_of
from harness.training.runtime import ALONE, Runtime
from harness.training.settings import TrainingSettings
from harness.training.tracking import pair_metrics

START_TOLERANCES = {"fp32": 1e-3, "bf16": 0.5}
"""How far from 0 the first margin may lie, in nats; in fp32 padding alone moves it by about 1e-5."""

NAMED = 8
"""Pairs of a step that an error names."""


class PairTrainer(FiniteTrainer, DPOTrainer):  # type: ignore[misc]  # TRL ships no types
    """TRL's trainer on rows that are tokens already, with any pairwise loss.

    TRL would append an end-of-sequence token to every response, also to one that was cut off.
    """

    def __init__(self, batching: Batching, examples: Examples, loss: PairLoss, **arguments: Any) -> None:
        self.batching, self.examples, self.pair_loss = batching, examples, loss
        self.tokens = self.padding = 0
        self._batches: list[tuple[int, int, Tensor]] = []
        self._seen: dict[int, list[int]] = {}  # pairs of the last two steps
        self._running: Tensor | None = None
        super().__init__(train_dataset=batching.dataset, data_collator=batching.collator, **arguments)
        self.parameters = self.model.num_parameters()  # before they are cut into shards
        self.trainable = self.model.num_parameters(only_trainable=True)

    def history(self) -> tuple[TrainingStep, ...]:
        """One entry for each optimiser step, in order."""
        return history_of(MicroBatch(step, pairs, *sums.tolist()) for step, pairs, sums in self._batches)

    def progress_state(self) -> dict[str, Any]:
        """What goes on from step to step besides the weights: plain JSON.

        Numbers count, lists have an entry for each micro-batch, but that of the running loss's state.
        """
        return {
            "tokens": self.tokens,
            "padding": self.padding,
            "batches": [[step, pairs, *sums.tolist()] for step, pairs, sums in self._batches],
            "running": [] if self._running is None else self._running.tolist(),
        }

    def restore_progress(self, state: Mapping[str, Any]) -> None:
        """Go on from what `progress_state` gave in an earlier process."""
        self.tokens, self.padding = state["tokens"], state["padding"]
        self._batches = [(step, pairs, torch.tensor(sums)) for step, pairs, *sums in state["batches"]]
        device = self.accelerator.device
        self._running = torch.tensor(state["running"], device=device) if state["running"] else None

    def count_for_all(self, processes: int) -> None:
        """Count as done what so many processes have done once each has done as many passes as this one."""
        if isinstance(self.batching, PromptBatching):
            self.tokens, self.padding = self.batching.counts(len(self._batches) * processes)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: int | None = None,
    ) -> Tensor:
        """The loss of one forward pass, of which the step takes the mean."""
        batch = self.batching.forward(model, inputs)
        pairs = batch.pairs
        if self.pair_loss.update is not None:
            self._running = self.pair_loss.update(pairs, self._running).detach()
            pairs = replace(pairs, running=self._running)
        losses = self.pair_loss.value(pairs)
        self._refuse(losses, batch)
        self._check_start(pairs)
        self._record(pairs, losses, batch)
        return losses.mean() * batch.share

    def diverged(self, step: int, what: str) -> Diverged:
        """Names the pairs that this process saw in the step, the first ones where they are many."""
        seen = [pair_name(self.examples.pairs[at]) for at in self._seen.get(step - 1, [])]
        more = [f"{len(seen) - NAMED} more"] if len(seen) > NAMED else []
        named = f" for {'; '.join(seen[:NAMED] + more)}" if seen else ""
        return Diverged(
            f"training: {what}{named}. Lower the learning rate, or look at the pairs of that step."
        )

    def _refuse(self, losses: Tensor, batch: PairBatch) -> None:
        """Stop before an update by a loss that is no number."""
        bad = (~losses.detach().isfinite()).nonzero().flatten().tolist()
        if not bad:
            return
        if self.state.global_step:
            self.check_weights()  # with such weights no pair of this step is to blame
        pair = self.examples.pairs[batch.indices[bad[0]]]
        raise Diverged(
            f"training: the loss at step {self.state.global_step + 1} is {float(losses[bad[0]])} for "
            f"{pair_name(pair)}. Lower the learning rate, or look at that pair."
        )

    def _check_start(self, pairs: PairLogprobs) -> None:
        """A fresh adapter changes nothing, so the first margins are 0."""
        if self.state.global_step or "reference" not in self.pair_loss.needs:
            return
        margin = float(pairs.margin.detach().mean())
        if not abs(margin) < START_TOLERANCES["bf16" if self.args.bf16 or self.args.fp16 else "fp32"]:
            raise HarnessError(
                f"training: the first margin is {margin:.6f} nats, not 0, so policy and reference do not "
                "start equal. Check that the stored log-probabilities are the base model's, and that it has "
                "no adapter of its own."
            )

    def _record(self, pairs: PairLogprobs, losses: Tensor, batch: PairBatch) -> None:
        self.tokens += batch.tokens
        self.padding += batch.padding
        step = self.state.global_step
        self._seen.setdefault(step, []).extend(batch.indices)
        self._seen.pop(step - 2, None)
        rewards = implicit_rewards(pairs)
        chosen = per_token(rewards.chosen, pairs.len_w)
        each = (losses.detach(), rewards.margin, rewards.accuracy, chosen)
        sums = torch.stack([values.float().sum() for values in each])
        self._batches.append((step, len(losses), sums))
        if self.args.report_to:
            for name, value in pair_metrics(pairs).items():
                self._metrics["train"][name].append(self.accelerator.gather(value).mean().item())

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """A checkpoint needs none."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *arguments: Any) -> Dataset:
        if isinstance(self.batching, PromptBatching):
            return dataset  # the batching knows them
        return super()._precompute_ref_logps(dataset, *arguments)


def make_trainer(
    policy: Policy,
    examples: Examples,
    reference: Reference,
    settings: TrainingSettings,
    out: Path,
    runtime: Runtime = ALONE,
) -> PairTrainer:
    """A trainer ready to run, with a fresh adapter in the policy's model where one is trained."""
    batching = _batching(policy, examples, reference, settings)
    trainer = PairTrainer(
        batching,
        examples,
        settings.loss,
        model=policy.model,
        args=_config(settings, out, batching, runtime, on_cpu=policy.device.type == "cpu"),
        processing_class=policy.tokenizer,
        peft_config=lora_config(policy.model, settings),
    )
    trainer.remove_callback(PrinterCallback)  # it writes to standard output
    _train_in_fp32(trainer.model)
    drop_nothing(trainer.model)
    if isinstance(batching, PromptBatching):
        with trainer.accelerator.autocast():
            batching.prefix = exact_prefix(
                trainer.model,
                batching.groups,
                batching.pad_id,
                TOLERANCES[settings.precision],
                candidate_prefixes(batching.groups, settings.gradient_checkpointing),
            )
    return trainer


def _train_in_fp32(model: torch.nn.Module) -> None:
    """TRL makes an adapter on four bits bf16, in which small steps round to none."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()


def _batching(
    policy: Policy, examples: Examples, reference: Reference, settings: TrainingSettings
) -> Batching:
    pad_id = policy.tokenizer.pad_token_id
    if settings.batching == "pairs":
        return RowBatching(examples.pairs, reference, settings, pad_id)
    groups = group_pairs(examples.pairs)
    per_step = settings.prompts_per_step or prompts_in_step(groups, settings.pairs_per_step, settings.steps)
    return PromptBatching(groups, per_step, reference, settings, pad_id)


def _config(
    settings: TrainingSettings, out: Path, batching: Batching, runtime: Runtime, on_cpu: bool
) -> DPOConfig:
    arguments: dict[str, Any] = {"precompute_ref_log_probs": settings.weights == "full"}
    prompts = batching.per_step if isinstance(batching, PromptBatching) else None
    return on_one_device(
        DPOConfig(
            max_steps=settings.steps,
            max_length=settings.max_length,
            **common_arguments(settings, out, runtime, on_cpu),
            **arguments | shared_arguments(batching.arguments, runtime.processes, prompts),
        )
    )
