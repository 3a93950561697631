"""Recipe -> Plan: which tasks each method needs under each seed; shared tasks have one key and run once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.plan.task import Task, in_order
from harness.recipe.load import prompts_of
from harness.recipe.schema import (
    ClustersBreadth,
    GradientClustersDepth,
    Gradients,
    Method,
    RandomPairing,
    Recipe,
    Role,
    Table,
    UniformDepth,
)


@dataclass(frozen=True)
class Cell:
    """One method under one seed, and the tasks whose artifacts its record is made from, by role.

    Roles: `base_model`, `held_out`, `reference`, `outputs`, `alpaca_eval`, and, where the method has
    them, `pairs`, `adapter`, `lm_eval`, `preference`, `knowledge`.
    """

    method: str
    replicate: int
    ends: Mapping[str, Task]

    @property
    def label(self) -> str:
        """`method/replicate`."""
        return f"{self.method}/{self.replicate}"

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Everything the cell needs, inputs before users."""
        return in_order(self.ends.values())


@dataclass(frozen=True)
class Plan:
    """All cells of a recipe, and their tasks once each, inputs before users."""

    cells: tuple[Cell, ...]
    tasks: tuple[Task, ...]

    @property
    def users(self) -> dict[str, tuple[str, ...]]:
        """The labels of the cells that need each task, by key."""
        found: dict[str, list[str]] = {}
        for cell in self.cells:
            for task in cell.tasks:
                found.setdefault(task.key, []).append(cell.label)
        return {key: tuple(labels) for key, labels in found.items()}


def build_plan(recipe: Recipe) -> Plan:
    """The plan of a recipe: every method under every replicate."""
    cells = tuple(
        _cell(Draw(recipe, replicate), name, method)
        for replicate in recipe.seeds.replicates
        for name, method in recipe.methods.items()
    )
    return Plan(cells, in_order(end for cell in cells for end in cell.ends.values()))


@dataclass(frozen=True)
class Draw:
    """A recipe under one replicate."""

    recipe: Recipe
    replicate: int

    def seed(self, role: Role) -> int:
        """The seed of a role in this replicate."""
        return self.recipe.seeds.of(role, self.replicate)

    @property
    def world(self) -> int:
        """The seed of the embedded world."""
        return self.recipe.model.seed


def _plain(table: Table, *without: str) -> dict[str, Any]:
    return table.model_dump(mode="json", exclude=set(without))


def _cell(draw: Draw, name: str, method: Method) -> Cell:
    base = Task("base_model", _plain(draw.recipe.model), {})
    ends = {"base_model": base}
    if method.trains:
        ends["pairs"] = _pairs(draw, method, base)
        ends["adapter"] = _adapter(draw, method, base, ends["pairs"])
    return Cell(name, draw.replicate, ends | _evaluation(draw, method, base, ends.get("adapter")))


def _pairs(draw: Draw, method: Method, base: Task) -> Task:
    recipe = draw.recipe
    pool = Task(
        "prompts", {"source": _plain(recipe.pool.prompts), "world": draw.world, "seed": draw.seed("pool")}, {}
    )
    prompts = _breadth(draw, method, base, pool)
    responses = Task(
        "responses",
        {
            **_plain(recipe.pool.responses),
            "per_prompt": method.responses_per_prompt,
            "seed": draw.seed("pool"),
        },
        {"base_model": base, "prompts": prompts},
    )
    scores = Task(
        "scores",
        {"judge": _plain(recipe.pool.judge), "world": draw.world},
        {"prompts": prompts, "responses": responses},
    )
    inputs = {"prompts": prompts, "responses": responses, "scores": scores}
    if isinstance(method.depth, GradientClustersDepth):
        inputs["gradients"] = _gradients(draw, recipe.features.gradients, {"base_model": base, **inputs})
    params = {
        "depth": _plain(method.depth),
        "pairing": _plain(method.pairing),
        "budget": recipe.budget.pairs,
        "seed": draw.seed("selection"),
    }
    return Task("pairs", params, inputs)


def _gradients(draw: Draw, settings: Gradients, pool: Mapping[str, Task]) -> Task:
    """The gradient bank of a pool (base_model, prompts, responses, scores), after a warm-up where asked for.

    The warm-up is that of the recipe, whatever a method changes in its own training: one row of the bank
    then serves all methods.
    """
    params = _plain(settings)
    inputs = {name: pool[name] for name in ("base_model", "prompts", "responses")}
    if settings.at == "warmup":
        inputs["reference"] = Task("logprobs", {"conditional": True}, dict(inputs))
        inputs["warmup"] = _warmup(draw, settings, pool, inputs["reference"])
        params["beta"] = draw.recipe.training.beta
    return Task("gradients", params, inputs)


def _warmup(draw: Draw, settings: Gradients, pool: Mapping[str, Task], reference: Task) -> Task:
    """A short training of the feature adapter on one random pair of each prompt."""
    drawn = {
        "depth": _plain(UniformDepth(pairs=1)),
        "pairing": _plain(RandomPairing()),
        "budget": None,
        "seed": settings.seed,
    }
    pairs = Task("pairs", drawn, {name: pool[name] for name in ("prompts", "responses", "scores")})
    changed = {"steps": settings.warmup_steps, "lora_rank": settings.rank, "warmup_steps": 0}
    training = draw.recipe.training.model_copy(update=changed)
    return Task(
        "warmup",
        {"training": _plain(training), "seed": settings.seed},
        {
            "base_model": pool["base_model"],
            "pairs": pairs,
            "responses": pool["responses"],
            "reference": reference,
        },
    )


def _breadth(draw: Draw, method: Method, base: Task, pool: Task) -> Task:
    inputs = {"prompts": pool}
    if isinstance(method.breadth, ClustersBreadth):
        embedding = _plain(draw.recipe.features.embedding)
        inputs["embeddings"] = Task("embeddings", embedding, {"base_model": base, "prompts": pool})
    params = {
        "breadth": _plain(method.breadth, "prompts"),
        "count": prompts_of(draw.recipe, method),
        "seed": draw.seed("selection"),
    }
    return Task("breadth", params, inputs)


def _adapter(draw: Draw, method: Method, base: Task, pairs: Task) -> Task:
    override = method.training.model_dump(exclude_none=True)
    training = draw.recipe.training.model_copy(update=override)
    params = {"loss": _plain(method.loss), "training": _plain(training), "seed": draw.seed("training")}
    return Task("adapter", params, {"base_model": base, "pairs": pairs, **_known_reference(pairs)})


def _known_reference(pairs: Task) -> dict[str, Task]:
    """The tasks that hold the reference's log-probabilities where choosing the pairs has made them."""
    bank = pairs.inputs.get("gradients")
    if bank is None:
        return {}
    return {"reference": bank.inputs.get("reference", bank), "responses": bank.inputs["responses"]}


def _evaluation(draw: Draw, method: Method, base: Task, adapter: Task | None) -> dict[str, Task]:
    alpaca = draw.recipe.evaluation.alpaca_eval
    held_out = Task("held_out", {"source": _plain(alpaca.prompts), "world": draw.world}, {})
    sampling = _Outputs(draw, held_out, base)
    reference = sampling.task("reference", None)
    outputs = sampling.constant(method.answer) if method.answer else sampling.task("outputs", adapter)
    judged = Task(
        "alpaca_eval",
        {"judge": _plain(alpaca.judge), "world": draw.world, "seed": draw.seed("evaluation")},
        {"held_out": held_out, "reference": reference, "outputs": outputs},
    )
    ends = {"held_out": held_out, "reference": reference, "outputs": outputs, "alpaca_eval": judged}
    if method.answer:
        return ends
    policy = {"base_model": base} | ({"adapter": adapter} if adapter else {})
    ends["lm_eval"] = Task("lm_eval", {**_plain(draw.recipe.evaluation.lm_eval), "world": draw.world}, policy)
    ends["knowledge"] = Task(
        "knowledge", {"world": draw.world, "max_new_tokens": alpaca.max_new_tokens}, policy
    )
    if adapter:
        ends["preference"] = Task(
            "preference",
            {"judge": _plain(alpaca.judge), "world": draw.world},
            {**policy, "held_out": held_out, "reference": reference},
        )
    return ends


@dataclass(frozen=True)
class _Outputs:
    draw: Draw
    held_out: Task
    base: Task

    def task(self, stream: str, adapter: Task | None) -> Task:
        """Outputs of the base model or of an adapter on it; the reference has random numbers of its own."""
        alpaca = self.draw.recipe.evaluation.alpaca_eval
        params = {
            "samples": alpaca.samples_per_prompt,
            "temperature": alpaca.temperature,
            "max_new_tokens": alpaca.max_new_tokens,
            "seed": self.draw.seed("evaluation"),
            "stream": stream,
        }
        inputs = {"base_model": self.base, "held_out": self.held_out}
        return Task("outputs", params, inputs | ({"adapter": adapter} if adapter else {}))

    def constant(self, answer: str) -> Task:
        """The null model's outputs."""
        samples = self.draw.recipe.evaluation.alpaca_eval.samples_per_prompt
        return Task("outputs", {"samples": samples, "answer": answer}, {"held_out": self.held_out})
