"""The tasks that read responses with a model: gradients, log-probabilities, hidden states, and a warm-up."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.plan.draw import Draw, plain
from harness.plan.task import Task
from harness.recipe.features import Gradients, SentenceEmbedding
from harness.recipe.losses import Need
from harness.recipe.reference import arithmetic_of, row_needs
from harness.recipe.rules import RandomPairing, UniformDepth


@dataclass(frozen=True)
class Sampled:
    """Prompts with the responses to them and their scores."""

    prompts: Task
    responses: Task
    scores: Task

    @property
    def inputs(self) -> dict[str, Task]:
        """The three, by name."""
        return {"prompts": self.prompts, "responses": self.responses, "scores": self.scores}

    def read_by(self, base: Task) -> dict[str, Task]:
        """The inputs of a task that reads the responses with a model."""
        return {"base_model": base, "prompts": self.prompts, "responses": self.responses}


def embeddings_task(draw: Draw, base: Task, prompts: Task) -> Task:
    """One embedding for each prompt."""
    table = draw.recipe.features.embedding
    if isinstance(table, SentenceEmbedding):
        return Task(
            "embeddings", draw.content(table, "name"), {"prompts": prompts}, draw.where(table, "name")
        )
    return Task("embeddings", plain(table), {"base_model": base, "prompts": prompts})


def bank_task(draw: Draw, settings: Gradients, base: Task, sampled: Sampled, of: Sampled) -> Task:
    """The gradient bank of the responses `of` a pool, after a warm-up on `sampled` where asked for.

    The two differ where other responses are compared with those of a method: both need the same adapter.
    The warm-up is that of the recipe, whatever a method changes in its own training: one row of the bank
    then serves all methods.
    """
    params, inputs = plain(settings), of.read_by(base)
    if settings.at == "warmup":
        inputs["reference"] = logprobs_task(of.read_by(base))
        inputs["warmup"] = warmup_task(draw, settings, base, sampled)
    if settings.preconditioning == "exact":
        params["loss"] = plain(draw.recipe.loss)
    return Task("gradients", params, inputs)


def warmup_task(draw: Draw, settings: Gradients, base: Task, sampled: Sampled) -> Task:
    """A short training of the feature adapter on one random pair of each prompt."""
    drawn = {
        "depth": plain(UniformDepth(pairs=1)),
        "pairing": plain(RandomPairing()),
        "budget": None,
        "max_length": draw.recipe.training.max_length,
        "seed": settings.seed,
    }
    pairs = Task("pairs", drawn, {"base_model": base, **sampled.inputs})
    changed = {
        "steps": settings.warmup_steps,
        "warmup_steps": 0,
        "prompts_per_step": None,
        "weights": "lora",  # features are gradients of an adapter on all linear layers, in fp32
        "lora_rank": settings.rank,
        "targets": None,
        "precision": "fp32",
    }
    training = draw.recipe.training.model_copy(update=changed)
    needs = row_needs(draw.recipe.loss.needs, training.batching)
    known = known_reference(pairs, needs, arithmetic_of(draw.recipe, training))
    params = {"loss": plain(draw.recipe.loss), "training": plain(training), "seed": settings.seed}
    return Task("warmup", params, {"base_model": base, "pairs": pairs, **known})


def known_reference(
    pairs: Task, needs: frozenset[Need], arithmetic: Mapping[str, str] | None = None
) -> dict[str, Task]:
    """The task that holds the reference's log-probabilities, and the responses that these are of.

    What choosing the pairs has made already, where the training computes alike; else a pass that all methods
    share which sample the same responses. It alone has those of single tokens, for a loss that needs the
    "common" ones, and those of other `arithmetic`. Nothing for a training that needs none of them.
    """
    if not needs & {"reference", "common"}:
        return {}
    bank = pairs.inputs.get("gradients")
    made = bank.inputs.get("reference", bank) if bank else pairs.inputs.get("logprobs")
    if made is None or "common" in needs or arithmetic is not None:
        read = {name: pairs.inputs[name] for name in ("base_model", "prompts", "responses")}
        made = logprobs_task(read, arithmetic=arithmetic)
    return {"reference": made, "responses": pairs.inputs["responses"]}


def logprobs_task(
    read: Mapping[str, Task], conditional: bool = True, arithmetic: Mapping[str, str] | None = None
) -> Task:
    """Log-probabilities of the responses in `read` (see `Sampled.read_by`) under its model or adapter.

    Computed as the model scores, or as a training in that `arithmetic` (`recipe.reference`) does.
    """
    other = {} if arithmetic is None else {"arithmetic": dict(arithmetic)}
    return Task("logprobs", {"conditional": conditional} | other, read)


def hidden_states_task(base: Task, sampled: Sampled) -> Task:
    """The base model's mean hidden state over each response."""
    return Task("hidden_states", {}, sampled.read_by(base))
