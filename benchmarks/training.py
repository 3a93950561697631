"""A whole training against TRL's on the same pairs, and our loop against one written by hand."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from transformers import get_scheduler

from benchmarks.commands import device
from benchmarks.figure import Benchmark, Figure, at_least, at_most
from benchmarks.plain_trl import plain_trl, trl_trainer
from benchmarks.random_base import save_random_base, word_pairs
from benchmarks.shapes import SMALL, TINY, Shape
from benchmarks.timing import interleaved, interleaved_prepared
from harness.data.rows import PreferencePair
from harness.data.tokens import Encoded
from harness.models.load import load_policy
from harness.models.logprobs import sequence_logprobs
from harness.models.quiet import quiet
from harness.stages.losses import loss_of
from harness.store.formats import write_rows
from harness.training.examples import make_examples
from harness.training.preference import train
from harness.training.reference import make_reference
from harness.training.runtime import ALONE, run_trainer
from harness.training.settings import Precision, TrainingSettings
from harness.training.trainer import PairTrainer, make_trainer

WHOLE, LOOP, PAIRS_FILE = "training-vs-trl", "loop", "pairs.jsonl"
RESPONSES, PAIRS, BETA, LEARNING_RATE = 8, 8, 0.1, 1e-4

STEP, MICRO_BATCH = 8, 8
"""Pairs in an optimiser step and in a forward pass: TRL's defaults, and for ours all pairs of one prompt."""

LOOPS = {"8 pairs a step": (48, 8, 8), "32 pairs a step, 16 at once": (96, 32, 16)}
"""Prompts, pairs in a step and in a forward pass; the second is what the default recipe has.

The start-up is in the figure; so many steps that it is not most of it.
"""


@dataclass(frozen=True)
class Subject:
    """A shape, how many prompts it is trained on, and how many times quicker than by TRL that must be."""

    shape: Shape
    prompts: int
    bound: float


# The start-up check of how prompts are shared costs about two steps of one prompt, so the figure grows with
# the number of prompts; two of the 40M model were too few to reach its bound when the check cost four steps.
SUBJECTS = {
    "Llama 128 x 4": Subject(TINY, 16, 3.0),
    "Llama 512 x 8 (40M)": Subject(SMALL, 6, 2.5),
}


@dataclass(frozen=True, eq=False)
class Job:
    """One epoch over the pairs from a base, and the reference's log-probabilities of a stored pass."""

    folder: Path
    pairs: list[PreferencePair]
    known: Mapping[Encoded, float]
    settings: TrainingSettings

    def ours(self, known: Mapping[Encoded, float] | None) -> None:
        """The whole training, with the model's loading and the adapter's writing."""
        train(self.folder / "base", self.pairs, self.settings, self.folder / "ours", known=known)

    def trl(self) -> None:
        """TRL's, with its reference forward in each step."""
        plain_trl(self.folder / "base", self.folder / PAIRS_FILE, self._params)()

    def trl_trainer(self) -> Any:
        """TRL's trainer, ready to run."""
        return trl_trainer(self.folder / "base", self.folder / PAIRS_FILE, self._params, self.folder / "trl")

    @property
    def _params(self) -> dict[str, Any]:
        training = asdict(self.settings) | {"lora_rank": self.settings.rank, "micro_batch": MICRO_BATCH}
        return {"training": training, "seed": self.settings.seed, "loss": {"beta": BETA}}

    def trainer(self) -> PairTrainer:
        """Our trainer, ready to run."""
        half = self.settings.precision == "bf16"
        policy = load_policy(self.folder / "base", precision=torch.bfloat16 if half else torch.float32)
        examples = make_examples(policy.tokenizer, self.pairs, self.settings.max_length)
        reference = make_reference(policy, examples.rows, self.known, self.settings.loss.needs)
        with quiet():
            return make_trainer(policy, examples, reference, self.settings, self.folder / "loop")


@contextmanager
def one_epoch(
    shape: Shape,
    prompts: int,
    precision: Precision = "fp32",
    step: int = STEP,
    micro_batch: int = MICRO_BATCH,
) -> Iterator[Job]:
    """K = 8 responses and d = 8 pairs for each prompt."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    settings = TrainingSettings(
        loss=loss_of({"kind": "dpo", "beta": BETA}),
        steps=prompts * PAIRS // step,
        pairs_per_step=step,
        micro_batch=micro_batch,
        learning_rate=LEARNING_RATE,
        rank=8,
        max_length=shape.prompt + shape.response,
        schedule="linear",
        warmup_steps=0,
        seed=0,
        precision=precision,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_random_base(shape, folder / "base", dtype)
        pairs = word_pairs(shape, prompts, RESPONSES, PAIRS)
        write_rows(folder / PAIRS_FILE, pairs)
        policy = load_policy(folder / "base", precision=dtype)
        rows = make_examples(policy.tokenizer, pairs, settings.max_length).rows
        known = dict(zip(rows, sequence_logprobs(policy, rows).tolist(), strict=True))
        yield Job(folder, pairs, known, settings)


def measure_whole() -> list[Figure]:
    """CPU seconds of one epoch, reference log-probabilities given from a stored pass, and with that pass."""
    torch.set_num_threads(1)
    figures = []
    for name, subject in SUBJECTS.items():
        with one_epoch(subject.shape, subject.prompts) as job:
            works = {"ours": partial(job.ours, job.known), "all": partial(job.ours, None)}
            seconds = interleaved({"trl": job.trl, **works})
        case = f"{name}, K = {RESPONSES}, d = {PAIRS}, P = {TINY.prompt}"
        ours, charged = (seconds["trl"] / seconds[way] for way in ("ours", "all"))
        figures += [
            at_least(_figure(WHOLE, f"{case}: times quicker", ours), subject.bound),
            _figure(WHOLE, f"{case}: times quicker, the reference's pass charged", charged),
        ]
    return figures


def measure_loop() -> list[Figure]:
    """CPU seconds of the steps alone, on the same batches by the same forward pass."""
    torch.set_num_threads(1)
    figures = []
    for case, (prompts, step, micro_batch) in LOOPS.items():
        with one_epoch(TINY, prompts, step=step, micro_batch=micro_batch) as job:
            makers = {"ours": partial(_made, our_loop, job), "bare": partial(_made, bare_loop, job)}
            seconds = interleaved_prepared(makers, rounds=9)
        times = _figure(
            LOOP, f"Llama 128 x 4, {case}: our loop, bare loop = 1", seconds["ours"] / seconds["bare"]
        )
        figures.append(at_most(times, 1.1))
    return figures


def _made(loop: Callable[[PairTrainer], Callable[[], None]], job: Job) -> Callable[[], None]:
    return loop(job.trainer())


def our_loop(trainer: PairTrainer) -> Callable[[], None]:
    """The trainer's own loop, as `train` runs it."""

    def run() -> None:
        with quiet():
            run_trainer(trainer, ALONE)

    return run


def bare_loop(trainer: PairTrainer) -> Callable[[], None]:
    """What a loop by hand needs on the trainer's model and batches: AdamW, clipping, the schedule."""
    model: Any = trainer.model
    batching, arguments = trainer.batching, trainer.args
    passes = arguments.gradient_accumulation_steps
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=arguments.learning_rate, weight_decay=0.0)
    schedule = get_scheduler(arguments.lr_scheduler_type, optimiser, 0, arguments.max_steps)

    def run() -> None:
        for at, inputs in enumerate(batching.dataset, start=1):
            batch = batching.forward(model, inputs)
            losses = -F.logsigmoid(BETA * batch.pairs.margin)
            torch.autograd.backward(losses.mean() * batch.share / passes)
            if at % passes == 0:
                torch.nn.utils.clip_grad_norm_(trained, 1.0)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad()

    return run


def _figure(name: str, case: str, value: float) -> Figure:
    return Figure(name, case, value, "", "-", None, device(), f"python -m benchmarks {name}")


BENCHMARKS = (
    Benchmark(
        WHOLE,
        "a whole training against TRL's DPOTrainer on the same pairs",
        measure_whole,
    ),
    Benchmark(LOOP, "our training loop over one written by hand, on the same batches", measure_loop),
)
