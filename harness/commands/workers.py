"""Who does the work of a run, as its options say."""

from dataclasses import dataclass
from importlib.util import find_spec

from harness.engines.base import Engine, Work
from harness.engines.local import LocalEngine
from harness.errors import BadInput
from harness.recipe.resources import Resources
from harness.store.local import LocalStore

ENGINES = ("local", "ray")
GB = 10**9


@dataclass(frozen=True)
class Workers:
    """How many worker processes, of which engine; `address` names a Ray cluster that is there already."""

    jobs: int
    engine: str = "local"
    address: str | None = None

    def check(self) -> None:
        """Whether there can be such workers.

        Raises:
            BadInput: there is no such engine, it is not installed, or it has no use for an address.
        """
        if self.engine not in ENGINES:
            raise BadInput(f"--engine: must be one of {', '.join(ENGINES)}. Got '{self.engine}'.")
        if self.engine == "ray" and find_spec("ray") is None:
            raise BadInput("--engine: 'ray' is not installed. Install it with `pip install 'harness[ray]'`.")
        if self.engine != "ray" and self.address is not None:
            raise BadInput(f"--address: names a Ray cluster, so it needs --engine ray. Got '{self.engine}'.")


def engine_of(
    workers: Workers, store: LocalStore, work: Work, resources: Resources, processes: int
) -> Engine:
    """The engine that runs tasks, `processes` of this machine sharing a training.

    A cluster minds what the recipe says that they take; the local engine of that the GPUs.
    """
    if workers.engine == "local":
        return LocalEngine(store, work, workers.jobs, lambda stage: gpus_here(resources, processes, stage))
    from harness.engines.ray import Cluster, RayEngine

    return RayEngine(
        store, work, Cluster(workers.address, workers.jobs), lambda stage: _taken(resources, stage)
    )


def _taken(resources: Resources, stage: str) -> dict[str, float]:
    needs = resources.of(stage)
    memory = {} if needs.memory_gb is None else {"memory": needs.memory_gb * GB}
    return {"num_cpus": needs.cpus, "num_gpus": needs.gpus, **memory}


def gpus_here(resources: Resources, processes: int, stage: str) -> float:
    """GPUs of one machine that a task takes: each process of a training that is shared has its own."""
    shared = processes if stage == "adapter" and processes > 1 else 0
    return max(resources.of(stage).gpus, shared)
