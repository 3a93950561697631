"""Preference training of a policy."""

from collections.abc import Sequence
from pathlib import Path

from harness.data.rows import PreferencePair
from harness.data.tokens import Encoded
from harness.errors import Diverged
from harness.models.batching import padding
from harness.models.load import Policy
from harness.models.quiet import quiet
from harness.training.adapter import save_policy
from harness.training.arithmetic import computing_in, load_to_train
from harness.training.batching import PromptBatching
from harness.training.examples import Examples, make_examples
from harness.training.moments import adam_moments, write_moments
from harness.training.processes import whole_weights
from harness.training.reference import Known, Reference, make_reference
from harness.training.report import TrainingReport, flags_of
from harness.training.runtime import ALONE, Runtime, run_trainer
from harness.training.settings import TrainingSettings
from harness.training.tracking import tracked
from harness.training.trainer import PairTrainer, make_trainer


def train(
    base: Path,
    pairs: Sequence[PreferencePair],
    settings: TrainingSettings,
    out: Path,
    runtime: Runtime = ALONE,
    known: Known | None = None,
    keep_moments: bool = False,
) -> TrainingReport:
    """Train on the pairs and write what was trained to `out`: a LoRA adapter in PEFT's format, or a model.

    The reference is the base model; its log-probabilities are computed once for each distinct row.

    Args:
        base: folder of the base model.
        pairs: what is trained on.
        settings: how.
        out: folder to fill.
        runtime: who is told, where checkpoints lie, how many processes train; all that changes no weight.
        known: log-probabilities of rows under the base model, in nats, from arithmetic like this training's
            (`recipe.reference`). They are not computed again; a row that `max_length` cuts is another row.
        keep_moments: also write Adam's moments (`training.moments`).

    Raises:
        BadInput: what the settings ask for cannot be had here, or a pair cannot be trained on.
        HarnessError: policy and reference do not start equal.
        Diverged: a loss, a gradient norm or a trained weight is not finite. It knows the work that was done.
    """
    policy = load_to_train(base, settings.weights, settings.precision)
    policy.model.requires_grad_(settings.weights == "full")
    examples = make_examples(policy.tokenizer, pairs, settings.max_length)
    reference = _reference(policy, examples, settings, known or {})
    with quiet(), tracked(runtime.tracking):
        trainer = make_trainer(policy, examples, reference, settings, out, runtime)
        try:
            run_trainer(trainer, runtime)
            weights = whole_weights(trainer)
            trainer.check_weights(weights)
        except Diverged as error:
            error.work = _work(trainer, reference)
            raise
    if trainer.is_world_process_zero():
        save_policy(trainer.model, out, weights)
        if keep_moments:
            write_moments(out, adam_moments(trainer.model, trainer.optimizer.state))
    return _report(trainer, examples, reference, settings)


def _reference(policy: Policy, examples: Examples, settings: TrainingSettings, known: Known) -> Reference:
    """In the arithmetic of the training."""
    needs = settings.loss.needs - ({"reference"} if settings.batching == "pairs" else set())
    with computing_in(policy, settings.precision):
        return make_reference(policy, examples.rows, known, needs)


def _report(
    trainer: PairTrainer, examples: Examples, reference: Reference, settings: TrainingSettings
) -> TrainingReport:
    history, batching, work = trainer.history(), trainer.batching, _work(trainer, reference)
    computed = _computed(trainer, reference)
    return TrainingReport(
        loss_first=history[0].loss,
        loss_last=history[-1].loss,
        history=history,
        batching=settings.batching,
        prompts_per_step=batching.per_step if isinstance(batching, PromptBatching) else None,
        prefix=batching.prefix if isinstance(batching, PromptBatching) else None,
        pairs=batching.seen,
        pairs_dropped=examples.dropped,
        pairs_truncated=examples.truncated,
        reference="computed" if computed else reference.source,
        reference_rows=len(computed),
        tokens_forward=work["forward"],
        tokens_backward=work["backward"],
        tokens_padding=work["padding"],
        parameters=work["parameters"],
        trainable=work["trainable"],
        flags=flags_of(history),
        processes=trainer.accelerator.num_processes,
    )


def _work(trainer: PairTrainer, reference: Reference) -> dict[str, int]:
    """What has been done so far, as `Meter.count` takes it."""
    batching = trainer.batching
    return {
        "forward": trainer.tokens + sum(map(len, _computed(trainer, reference))),
        "backward": trainer.tokens,
        "padding": trainer.padding + padding([*map(len, reference.computed)]) + batching.computed_padding,
        "parameters": trainer.parameters,
        "trainable": trainer.trainable,
    }


def _computed(trainer: PairTrainer, reference: Reference) -> list[Encoded]:
    """The rows whose reference this training computed."""
    return [*reference.computed, *trainer.batching.computed]
