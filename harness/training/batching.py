"""The two ways to batch: whole prompts with all their pairs, or pairs as TRL batches them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from trl.trainer.dpo_trainer import DataCollatorForPreference

from harness.data.tokens import Encoded
from harness.methods.losses import PairLogprobs
from harness.models.batching import pads
from harness.training.examples import TokenPair
from harness.training.grouped import Prefix, PromptGroup, positions_run, training_parts
from harness.training.prefix import response_scores
from harness.training.reference import Reference
from harness.training.scores import ReferenceScores, ResponseScores, pair_logprobs
from harness.training.settings import TrainingSettings


@dataclass(frozen=True, eq=False)
class PairBatch:
    """The pairs of one forward pass: what the loss sees, and which pairs of the data they are.

    The pass adds `share` times the mean of its pairs' losses to the mean over the passes of its step.
    `tokens` were run forward, and `padding` pads beside them.
    """

    pairs: PairLogprobs
    indices: Sequence[int]
    share: float
    tokens: int
    padding: int


class PromptBatching:
    """A row of the dataset is a part of a step: the prompts of one forward pass.

    Each pair weighs one over the pairs that a step holds on average, whatever its batch-mates are. `seen`
    counts the distinct pairs trained on; `computed` are rows whose reference the trainer itself
    computes, with `computed_padding` pads beside them.
    """

    def __init__(
        self,
        groups: Sequence[PromptGroup],
        per_step: int,
        reference: Reference,
        settings: TrainingSettings,
        pad_id: int,
    ) -> None:
        self.groups, self.reference, self.pad_id = groups, reference, pad_id
        self.certainty = "certainty" in settings.loss.needs
        self.per_step = per_step
        self.computed: Sequence[Encoded] = ()
        self.computed_padding = 0
        self.prefix: Prefix = "rows"
        self.parts = min(settings.pairs_per_step // settings.micro_batch, per_step)
        drawn = training_parts(groups, settings.steps, per_step, self.parts, settings.seed)
        self.seen = sum(len(groups[at].pairs) for at in {at for part in drawn for at in part})
        self._pairs_per_step = per_step * sum(len(group.pairs) for group in groups) / len(groups)
        self.dataset = Dataset.from_dict({"part": drawn})
        self.arguments: dict[str, Any] = {
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": self.parts,
            "train_sampling_strategy": "sequential",
        }

    def collator(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The one row as it is: its tensors are made in `forward`."""
        (row,) = rows
        return row

    def forward(self, model: Any, inputs: dict[str, Any]) -> PairBatch:
        """The log-probabilities of all pairs of some prompts."""
        groups = [self.groups[at] for at in inputs["part"]]
        scores = response_scores(model, groups, self.prefix, self.pad_id, self.certainty)
        device = scores.logprobs.device
        reference = self.reference.of([row for group in groups for row in group.rows], device)
        indices = [pair for group in groups for pair in group.pairs]
        return PairBatch(
            pair_logprobs(scores, reference, *pair_positions(groups, device)),
            indices,
            share=len(indices) * self.parts / self._pairs_per_step,
            tokens=self._tokens(groups),
            padding=self._padding(groups),
        )

    def counts(self, passes: int) -> tuple[int, int]:
        """(tokens, pads) of the training's first so many forward passes."""
        parts = [[self.groups[at] for at in part] for part in self.dataset["part"][:passes]]
        return sum(map(self._tokens, parts)), sum(map(self._padding, parts))

    def _tokens(self, groups: Sequence[PromptGroup]) -> int:
        return sum(group.tokens(shared=self.prefix != "rows") for group in groups)

    def _padding(self, groups: Sequence[PromptGroup]) -> int:
        return positions_run(groups, self.prefix) - self._tokens(groups)


class RowBatching:
    """The batches of TRL's DPOTrainer, and its bits: its order, its padding, its head, its reference."""

    def __init__(
        self, pairs: Sequence[TokenPair], reference: Reference, settings: TrainingSettings, pad_id: int
    ) -> None:
        needs = settings.loss.needs
        self.pairs, self.reference = pairs, reference
        self.computed = [
            row for pair in pairs for row in (pair.chosen, pair.rejected) if "reference" in needs
        ]
        self.computed_padding = sum(
            pads([len(row) for row in self.computed[at : at + 2 * settings.micro_batch]])
            for at in range(0, len(self.computed), 2 * settings.micro_batch)
        )
        self.seen = min(len(pairs), settings.steps * settings.pairs_per_step)
        self.dataset = Dataset.from_list([_row(at, pair) for at, pair in enumerate(pairs)])
        self.collator = _Collator(pad_token_id=pad_id)
        self.arguments: dict[str, Any] = {
            "per_device_train_batch_size": settings.micro_batch,
            "gradient_accumulation_steps": settings.pairs_per_step // settings.micro_batch,
            "precompute_ref_log_probs": "reference" in needs,
            "use_weighting": "certainty" in needs,
        }

    def forward(self, model: Any, inputs: dict[str, Any]) -> PairBatch:
        """The log-probabilities of some pairs; rows are all chosen ones, then all rejected ones."""
        ids, response = inputs["input_ids"], inputs["completion_mask"]
        indices = inputs["pair"].tolist()
        labels = ids.masked_fill(response == 0, -100)
        output = model(
            input_ids=ids,
            attention_mask=inputs["attention_mask"],
            labels=labels,
            use_cache=False,
            fused_lm_head=True,
        )
        mask = response[:, 1:].bool()
        certainty = None
        if output.log_sum_sq_probs is not None:
            surplus = ((output.log_probs - output.log_sum_sq_probs).detach() * mask).sum(1)
            certainty = surplus / mask.sum(1).clamp(min=1)
        pairs = [self.pairs[at] for at in indices]
        rows = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
        tokens = sum(len(row) for row in rows)
        reference = self.reference.of(rows, ids.device)
        if "ref_chosen_logps" in inputs:
            sums = torch.cat((inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]))
            reference = ReferenceScores(sums, reference.tokens)
        chosen, rejected = torch.arange(len(rows), device=ids.device).chunk(2)
        scores = ResponseScores(output.log_probs, mask, certainty)
        return PairBatch(
            pair_logprobs(scores, reference, chosen, rejected),
            indices,
            share=1.0,
            tokens=tokens,
            padding=ids.numel() - tokens,
        )


def pair_positions(groups: Sequence[PromptGroup], device: torch.device) -> tuple[Tensor, Tensor]:
    """The places of each pair's chosen and rejected response among the groups' responses in order."""
    chosen, rejected, start = [], [], 0
    for group in groups:
        chosen += [start + at for at in group.chosen]
        rejected += [start + at for at in group.rejected]
        start += len(group.responses)
    return torch.tensor(chosen, device=device), torch.tensor(rejected, device=device)


Batching = PromptBatching | RowBatching


class _Collator(DataCollatorForPreference):  # type: ignore[misc]  # TRL ships no types
    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super().torch_call(examples)
        return batch | {"pair": torch.tensor([example["pair"] for example in examples])}


def _row(at: int, pair: TokenPair) -> dict[str, Any]:
    return {
        "prompt_ids": list(pair.chosen.prompt),
        "chosen_ids": list(pair.chosen.response),
        "rejected_ids": list(pair.rejected.response),
        "pair": at,
    }
