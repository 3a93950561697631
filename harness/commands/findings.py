"""What a recipe needs against what is there: one finding for each need."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.recipe.needs import HubData, HubModel, Needs


@dataclass(frozen=True)
class Finding:
    """Something looked at, how it is, and where it is not as it must be: the remedy, a sentence."""

    what: str
    state: str
    remedy: str | None = None


@dataclass(frozen=True)
class There:
    """How to tell what this machine has: each function says whether it is there."""

    model: Callable[[HubModel], bool]
    data: Callable[[HubData], bool]
    file: Callable[[str], bool]
    key: Callable[[str], bool]
    package: Callable[[str], bool]
    gpu: bool


EXTRAS = {
    "vllm": "harness[vllm]",
    "sentence-transformers": "harness[embeddings]",
    "langdetect": "lm-eval[ifeval]",
}
"""What to install for a package, where it is not the package itself."""
PREFETCH = "Run 'harness prefetch' on the recipe where the hub can be reached."


def findings_of(needs: Needs, there: There) -> Iterator[Finding]:
    """Everything that a recipe needs, in the order of the recipe; values of keys are never looked at."""
    for model in needs.models:
        yield _finding(model.what, there.model(model), "stored", "not stored", PREFETCH)
    for data in needs.data:
        yield _finding(data.what, there.data(data), "stored", "not stored", PREFETCH)
    for place, name in needs.files:
        remedy = f"Put it there, set HARNESS_DATA to its folder, or change {place}."
        yield _finding(f"file {name}", there.file(name), "there", "missing", remedy)
    for place, name in needs.keys:
        remedy = f"Set it in the environment: {place} names it."
        yield _finding(f"key {name}", there.key(name), "set", "not set", remedy)
    for package in needs.packages:
        remedy = f"pip install '{EXTRAS.get(package.name, package.name)}': {package.place} needs it."
        yield _finding(f"package {package.name}", there.package(package.name), "there", "missing", remedy)
    for place in () if there.gpu else needs.cuda:
        yield Finding(
            place, "needs a CUDA device, and there is none", "Use a machine with one, or change it."
        )
    if needs.tasks:
        names = ", ".join(needs.tasks.tasks)
        yield Finding(f"tasks {names}", "not looked at; 'harness prefetch' fetches their data")


def memory_finding(least: float, memory: int, is_gpu: bool) -> Finding:
    """Weights and training state against the memory there is, both in bytes."""
    what, gib = "memory of the GPU" if is_gpu else "memory", 2**30
    state = f"at least {least / gib:.1f} of {memory / gib:.0f} GiB, before activations"
    remedy = "Use weights = 'qlora' or 'lora', bf16, a smaller model, or a larger machine."
    return Finding(what, state, None if least <= memory else remedy)


def _finding(what: str, is_there: bool, yes: str, no: str, remedy: str) -> Finding:
    return Finding(what, yes) if is_there else Finding(what, no, remedy)
