"""What a recipe needs that is not in it: models, data, files, keys and packages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from harness.recipe.data import Named, endpoints_of, judges_of, local_files, sources_of
from harness.recipe.evaluation import OFFICIAL_DATASET, OFFICIAL_FILE, WORLD_TASK, LmEval, OfficialPrompts
from harness.recipe.features import SentenceEmbedding
from harness.recipe.judges import LocalJudge, RewardModelJudge
from harness.recipe.model import AtlasModel, HfModel
from harness.recipe.schema import Recipe

T = TypeVar("T")

TASK_PACKAGES = {"ifeval": "langdetect", "leaderboard_ifeval": "langdetect"}
"""lm-eval tasks that import a package which it does not bring."""


@dataclass(frozen=True)
class HubModel:
    """A model of the hub at a commit."""

    name: str
    revision: str

    @property
    def what(self) -> str:
        """How it is called in a table."""
        return f"model {self.name}@{self.revision[:7]}"


@dataclass(frozen=True)
class HubData:
    """A dataset of the hub at a commit: a split of it, or where `file` is given that one file."""

    name: str
    revision: str
    split: str = "train"
    config: str | None = None
    file: str | None = None

    @property
    def what(self) -> str:
        """How it is called in a table."""
        part = self.file or (f"{self.config}/{self.split}" if self.config else self.split)
        return f"dataset {self.name}@{self.revision[:7]} {part}"


@dataclass(frozen=True)
class Package:
    """An optional package that a setting uses; `name` is what pip installs."""

    place: str
    name: str


@dataclass(frozen=True)
class Needs:
    """Everything that a recipe needs from outside it.

    `files` are local, as (place, name); `keys` are names of environment variables, as (place, name); `cuda`
    are places of settings that need a CUDA device; `tasks` is the table of lm-eval tasks, whose data come
    from the hub.
    """

    models: tuple[HubModel, ...]
    data: tuple[HubData, ...]
    files: tuple[Named, ...]
    keys: tuple[Named, ...]
    packages: tuple[Package, ...]
    cuda: tuple[str, ...]
    tasks: LmEval | None


def needs_of(recipe: Recipe) -> Needs:
    """What a recipe needs; nothing is looked for."""
    tasks = recipe.lm_eval
    return Needs(
        models=_once(_models(recipe)),
        data=_once(_data(recipe)),
        files=_once(local_files(recipe)),
        keys=_once(_keys(recipe)),
        packages=_once(_packages(recipe)),
        cuda=tuple(_cuda(recipe)),
        tasks=None if tasks is None or tasks.tasks == (WORLD_TASK,) else tasks,
    )


def _models(recipe: Recipe) -> Iterator[HubModel]:
    if isinstance(recipe.model, HfModel) and recipe.model.revision is not None:
        yield HubModel(recipe.model.name, recipe.model.revision)
    for _, judge in judges_of(recipe):
        if isinstance(judge, RewardModelJudge | LocalJudge) and judge.revision is not None:
            yield HubModel(judge.name, judge.revision)
    embedding = recipe.features.embedding
    if isinstance(embedding, SentenceEmbedding) and embedding.revision is not None:
        yield HubModel(embedding.name, embedding.revision)


def _data(recipe: Recipe) -> Iterator[HubData]:
    for _, source in sources_of(recipe):
        if source.revision is not None:
            yield HubData(source.path, source.revision, source.split, source.config)
    prompts = recipe.evaluation.alpaca_eval.prompts
    if isinstance(prompts, OfficialPrompts) and prompts.revision is not None:
        yield HubData(OFFICIAL_DATASET, prompts.revision, file=OFFICIAL_FILE)


def _keys(recipe: Recipe) -> Iterator[Named]:
    for place, endpoint in endpoints_of(recipe):
        if endpoint.key_env is not None:
            yield f"{place}.key_env", endpoint.key_env


def _packages(recipe: Recipe) -> Iterator[Package]:
    if recipe.sampling.engine == "vllm":
        yield Package("sampling.engine", "vllm")
    if recipe.training.weights == "qlora":
        yield Package("training.weights", "bitsandbytes")
    if isinstance(recipe.model, HfModel) and recipe.model.attention == "flash_attention_2":
        yield Package("model.attention", "flash-attn")
    if isinstance(recipe.features.embedding, SentenceEmbedding):
        yield Package("features.embedding", "sentence-transformers")
    for task in recipe.lm_eval.tasks if recipe.lm_eval else ():
        if task in TASK_PACKAGES:
            yield Package("evaluation.lm_eval.tasks", TASK_PACKAGES[task])


def _cuda(recipe: Recipe) -> Iterator[str]:
    if recipe.sampling.engine == "vllm":
        yield "sampling.engine"
    if recipe.training.weights == "qlora":
        yield "training.weights"
    if recipe.training.precision == "fp16":
        yield "training.precision"
    if not isinstance(recipe.model, AtlasModel) and recipe.model.sft and recipe.model.sft.precision == "fp16":
        yield "model.sft.precision"
    if isinstance(recipe.model, HfModel) and recipe.model.attention == "flash_attention_2":
        yield "model.attention"


def _once(found: Iterator[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(found))
