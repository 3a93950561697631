"""Preference training of a LoRA adapter."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.data.rows import PreferencePair
from harness.data.tokens import Encoded
from harness.errors import BadInput, HarnessError
from harness.models.load import Policy, load_policy
from harness.models.logprobs import sequence_logprobs
from harness.models.quiet import quiet
from harness.training.adapter import save_adapter
from harness.training.examples import Examples, make_examples
from harness.training.moments import adam_moments, write_moments
from harness.training.report import TrainingReport, TrainingStep
from harness.training.settings import TrainingSettings
from harness.training.trainer import Progress, make_trainer

START_TOLERANCE = 1e-3
"""How far from 0 the first margin may lie, in nats; padding alone moves it by about 1e-5 in fp32."""


def train(
    base: Path,
    pairs: Sequence[PreferencePair],
    settings: TrainingSettings,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
    known: Mapping[Encoded, float] | None = None,
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
            trainer.add_callback(Progress(progress))
        trainer.train()
    history = trainer.history()
    _check(history)
    save_adapter(trainer.model, out)
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
