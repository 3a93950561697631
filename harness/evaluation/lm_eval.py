"""Benchmark tasks through lm-evaluation-harness: the only door to that package."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from unittest.mock import patch

import datasets
import lm_eval.utils
from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedEnvironment
from lm_eval.api import registry
from lm_eval.evaluator import simple_evaluate
from lm_eval.loggers.evaluation_tracker import EvaluationTracker
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager, _yaml_loader
from transformers import GenerationConfig

from harness.errors import BadInput, StoreError
from harness.models.chat import end_ids
from harness.models.load import Policy
from harness.models.quiet import quiet

FEWSHOT_SEED = 1234
"""Which examples a task with shots draws; lm-eval's own default."""

_BOOTSTRAP = 1000
"""Draws for the standard error of metrics that are not means; those of means are analytic."""

_FETCH = "Fetch it where the hub can be reached: harness prefetch."
_FILE_FORMATS = {"arrow", "csv", "json", "parquet", "text"}

_PACKAGE = Path(_yaml_loader.__file__).resolve().parent
"""Where the package's own task files lie, whose code is the package's."""
_AS_DATA = "Write the task without it: nothing that a recipe brings is run."


@dataclass(frozen=True)
class LmEvalSettings:
    """How tasks are asked; all of it changes the results.

    `num_fewshot` None leaves each task's own number, and at most `limit` items of each task are run. With
    the chat template every question is rendered as all prompts here are, and a few-shot example is a turn.
    The batch size is fixed: with padding, another one can change the last bits.
    """

    num_fewshot: int | None = None
    limit: int | None = None
    apply_chat_template: bool = True
    batch_size: int = 64


@dataclass(frozen=True)
class LmEvalResult:
    """Results by "task.metric"; a filter other than "none" is added as "task.metric.filter".

    `items` holds the value of each item, for paired comparisons, by the document's own "id" where a task
    has one for each, or else its number in the task; metrics that are not numbers item by item have none.
    `versions` are the tasks' own.
    """

    scores: dict[str, float]
    items: dict[str, dict[str, float]]
    versions: dict[str, float | str]


def run_tasks(
    policy: Policy,
    tasks: Sequence[str],
    include: Path | None = None,
    settings: LmEvalSettings | None = None,
    record: Path | None = None,
    model: str = "",
) -> LmEvalResult:
    """Run tasks of the package, or of the yaml files in `include`, on the policy in memory.

    The results are those of the `lm-eval` command on the saved model, but for the standard errors of
    metrics that are no means (1,000 bootstrap draws, not 100,000). Nothing is fetched from the hub:
    `fetch_tasks` does that before.

    Args:
        policy: the model to measure.
        tasks: names of tasks, groups or tags.
        include: a folder with a user's own task files; they go before the package's.
        settings: how to ask; the defaults where not given.
        record: a folder for lm-eval's own files, `results_<time>.json` and `samples_<task>_<time>.jsonl`.
        model: how those files name the model.

    Raises:
        BadInput: no task has a given name, a task's data cannot be read, or a task file brings code.
        StoreError: the record could not be written.
    """
    settings = settings or LmEvalSettings()
    manager = _manager(tasks, include)
    tracker = EvaluationTracker(output_path=None if record is None else str(record / "results.json"))
    with quiet(), _data(include), _files_as_data(), _without_side_work(), _stopping(policy):
        raw = simple_evaluate(
            model=HFLM(
                pretrained=policy.model,
                tokenizer=policy.tokenizer,
                batch_size=settings.batch_size,
                device=str(policy.device),
            ),
            tasks=list(tasks),
            task_manager=manager,
            num_fewshot=settings.num_fewshot,
            batch_size=settings.batch_size,
            limit=settings.limit,
            bootstrap_iters=_BOOTSTRAP,
            apply_chat_template=settings.apply_chat_template,
            fewshot_as_multiturn=settings.apply_chat_template,
            fewshot_random_seed=FEWSHOT_SEED,
        )
    result = LmEvalResult(_scores(raw["results"]), _items(raw["samples"]), dict(raw["versions"]))
    if record is not None:
        template = policy.tokenizer.chat_template if settings.apply_chat_template else None
        _write(raw, record, tracker, model, template)
    return result


def fetch_tasks(tasks: Sequence[str], include: Path | None = None) -> None:
    """Fetch the data of tasks from the hub into the local cache, so that running them needs no network.

    Raises:
        BadInput: no task has a given name, its data cannot be had, or its file brings code.
    """
    manager = _manager(tasks, include)
    with _data(include), _files_as_data():
        manager.load(list(tasks))


def _manager(tasks: Sequence[str], include: Path | None) -> TaskManager:
    """The package's own 14,000 task files take ten seconds to read: only where a task asked for is there."""
    manager = TaskManager(include_path=include and str(include), include_defaults=False)
    if not all(_complete(manager, name) for name in tasks):
        with quiet():  # it warns of every task of its own that `include` replaces
            manager = TaskManager(include_path=include and str(include), include_defaults=True)
    if problems := [_unknown(name, manager) for name in tasks if name not in manager.task_index]:
        raise BadInput(problems)
    return manager


def _complete(manager: TaskManager, name: str) -> bool:
    """Whether a task, or a group with all its members, is known to the manager."""
    entry = manager.task_index.get(name)
    if entry is None:
        return False
    members = (entry.cfg or {}).get("task", []) if name in manager.all_groups else []
    return all(isinstance(member, str) and _complete(manager, member) for member in members)


def _unknown(name: str, manager: TaskManager) -> str:
    near = get_close_matches(name, manager.all_tasks, n=3)
    advice = f"Did you mean {' or '.join(near)}?" if near else "`lm-eval ls tasks` lists all."
    return f"evaluation.lm_eval.tasks: no task {name}. {advice}"


@contextmanager
def _data(include: Path | None) -> Iterator[None]:
    """Where tasks inside the block take their data from.

    Files lie in `include`, whose content their results are known by. They are prepared in a folder of their
    own: the shared cache could serve an older state of a file, and would keep a copy of each. Data sets of
    the hub come from the shared cache.

    Raises:
        BadInput: data cannot be read, or lie elsewhere.
    """
    load = datasets.load_dataset

    def load_dataset(path: str, name: str | None = None, **options: Any) -> Any:
        here = path in _FILE_FORMATS or Path(path).exists()
        if here:
            _check_places(path, options, include)
            options.setdefault("cache_dir", cache)
        try:
            return load(path, name, **options)
        except (OSError, ValueError) as error:
            raise BadInput(
                f"evaluation.lm_eval.tasks: cannot read the data set {path} of a task ({_brief(error)}). "
                f"{'Check its data_files.' if here else _FETCH}"
            ) from error

    with tempfile.TemporaryDirectory() as cache, patch.object(datasets, "load_dataset", load_dataset):
        yield


def _check_places(path: str, options: Mapping[str, Any], include: Path | None) -> None:
    folder = options.get("data_dir") or ""
    named = [] if path in _FILE_FORMATS else [path]
    named += [str(Path(folder, each)) for each in _texts(options.get("data_files")) if "://" not in each]
    own = _PACKAGE if include is None else include.resolve()
    for each in named:
        if not (Path(each).parent.resolve() / Path(each).name).is_relative_to(own):
            raise BadInput(
                f"evaluation.lm_eval.include: a task reads {each}, which lies elsewhere, so that a change of "
                "it would go unnoticed. Put it into that folder."
            )


def _texts(value: Any) -> Iterator[str]:
    """Every text in lists and tables, as `data_files` may hold them."""
    if isinstance(value, str):
        yield value
    elif value is not None:
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


@contextmanager
def _files_as_data() -> Iterator[None]:
    """Inside the block, no task file but the package's own runs code.

    lm-eval would import the Python file that a `!function` names, run a metric's script from where its name
    points, and render templates by which one gets from any value to all of Python.

    Raises:
        BadInput: a task file would have code run.
    """
    import_function, get_metric = _yaml_loader._import_func_in_yml, registry.get_metric

    def own_function(name: str, folder: Path) -> Any:
        if not folder.is_relative_to(_PACKAGE):
            raise BadInput(
                f"evaluation.lm_eval.include: a task file in {folder} must not name code. "
                f"Got '!function {name}'. {_AS_DATA}"
            )
        return import_function(name, folder)

    def known_metric(name: str, *options: Any) -> Any:
        if not str(name).isidentifier() or Path(name, f"{name}.py").exists():
            raise BadInput(
                "evaluation.lm_eval.include: a metric must be one that lm-eval or evaluate knows by name. "
                f"Got '{name}'. {_AS_DATA}"
            )
        return get_metric(name, *options)

    usual = lm_eval.utils.env
    sandbox = SandboxedEnvironment(
        loader=usual.loader, undefined=usual.undefined, keep_trailing_newline=usual.keep_trailing_newline
    )
    sandbox.filters = usual.filters
    with (
        patch("lm_eval.tasks._yaml_loader._import_func_in_yml", own_function),
        patch("lm_eval.api.task.get_metric", known_metric),
        patch("lm_eval.utils.env", sandbox),
    ):
        try:
            yield
        except SecurityError as error:
            raise BadInput(
                f"evaluation.lm_eval.include: a template must not reach into Python. Got: {_brief(error)}. "
                f"{_AS_DATA}"
            ) from error


def _brief(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__


@contextmanager
def _without_side_work() -> Iterator[None]:
    """lm-eval asks the system for its packages and drivers, for seconds, and git for a commit, which prints
    where there is none; a manifest says what matters of them. Its bootstrap would start processes.
    """
    with ExitStack() as stack:
        stack.enter_context(patch("lm_eval.evaluator.add_env_info"))
        stack.enter_context(patch("lm_eval.evaluator.get_git_commit_hash", return_value=None))
        stack.enter_context(patch.dict("os.environ", DISABLE_MULTIPROC="1"))
        yield


@contextmanager
def _stopping(policy: Policy) -> Iterator[None]:
    """Generation stops where the model or its template says it ends. lm-eval itself cuts at the end token's
    text only after leaving special tokens out, so without this it keeps what a model babbles behind its end.
    """
    ends = policy.model.config.eos_token_id
    ends = {*end_ids(policy.tokenizer), *(ends if isinstance(ends, list) else [ends])} - {None}
    config = GenerationConfig(eos_token_id=sorted(ends), pad_token_id=policy.tokenizer.pad_token_id)
    with patch.object(policy.model, "generation_config", config):
        yield


def _write(
    raw: dict[str, Any], record: Path, tracker: EvaluationTracker, model: str, template: str | None
) -> None:
    """Write what the `lm-eval` command writes; its own writer only logs when that fails."""
    raw["config"] |= {"model": "hf", "model_args": {"pretrained": model}}
    tracker.general_config_tracker.log_experiment_args(
        model_source="hf",
        model_args={"pretrained": model},
        system_instruction=None,
        chat_template=template,
        fewshot_as_multiturn=template is not None,
    )
    samples = raw.pop("samples")
    with quiet():
        tracker.save_results_aggregated(results=raw, samples=samples)
        for task in raw["configs"]:
            tracker.save_results_samples(task_name=task, samples=samples[task])
    written = len(list(record.glob("results_*.json"))), len(list(record.glob("samples_*.jsonl")))
    if written[0] < 1 or written[1] < len(raw["configs"]):
        raise StoreError(f"{record}: lm-eval's results could not be written. Is there room on the disk?")


def _scores(results: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The metrics of each task and group: their keys are "metric,filter"; other keys are about the task."""
    return {
        _name(task, *key.split(",")): float(value)
        for task, values in results.items()
        for key, value in values.items()
        if "," in key and "_stderr," not in key and _is_number(value)
    }


def _items(samples: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, float]]:
    items: dict[str, dict[str, float]] = {}
    for task, entries in samples.items():
        names = _item_names(entries)
        for entry in entries:
            for metric in entry["metrics"]:
                if _is_number(entry[metric]):
                    values = items.setdefault(_name(task, metric, entry["filter"]), {})
                    values[names[entry["doc_id"]]] = float(entry[metric])
    return items


def _item_names(entries: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """A name for each document of a task, by its number."""
    ids = {entry["doc_id"]: entry["doc"].get("id") for entry in entries}
    own = None not in ids.values() and len(set(map(str, ids.values()))) == len(ids)
    return {number: str(id_ if own else number) for number, id_ in ids.items()}


def _name(task: str, metric: str, filter_: str) -> str:
    return f"{task}.{metric}" if filter_ == "none" else f"{task}.{metric}.{filter_}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)
