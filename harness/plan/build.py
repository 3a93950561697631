"""Recipe -> Plan: which tasks each method needs under each seed; shared tasks have one key and run once."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.plan.draw import Draw, plain
from harness.plan.selection import pairs_task
from harness.plan.task import Task, in_order
from harness.plan.training import adapter_task
from harness.recipe.schema import Method, Recipe


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


def _cell(draw: Draw, name: str, method: Method) -> Cell:
    base = Task("base_model", plain(draw.recipe.model), {})
    ends = {"base_model": base}
    if method.trains:
        ends["pairs"] = pairs_task(draw, method, base)
        ends["adapter"] = adapter_task(draw, method, base, ends["pairs"])
    return Cell(name, draw.replicate, ends | _evaluation(draw, method, base, ends.get("adapter")))


def _evaluation(draw: Draw, method: Method, base: Task, adapter: Task | None) -> dict[str, Task]:
    alpaca = draw.recipe.evaluation.alpaca_eval
    held_out = Task("held_out", {"source": plain(alpaca.prompts), "world": draw.world}, {})
    sampling = _Outputs(draw, held_out, base)
    reference = sampling.task("reference", None)
    outputs = sampling.constant(method.answer) if method.answer else sampling.task("outputs", adapter)
    judged = Task(
        "alpaca_eval",
        {"judge": plain(alpaca.judge), "world": draw.world, "seed": draw.seed("evaluation")},
        {"held_out": held_out, "reference": reference, "outputs": outputs},
    )
    ends = {"held_out": held_out, "reference": reference, "outputs": outputs, "alpaca_eval": judged}
    if method.answer:
        return ends
    policy = {"base_model": base} | ({"adapter": adapter} if adapter else {})
    ends["lm_eval"] = Task("lm_eval", {**plain(draw.recipe.evaluation.lm_eval), "world": draw.world}, policy)
    ends["knowledge"] = Task(
        "knowledge", {"world": draw.world, "max_new_tokens": alpaca.max_new_tokens}, policy
    )
    if adapter:
        ends["preference"] = Task(
            "preference",
            {"judge": plain(alpaca.judge), "world": draw.world},
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
