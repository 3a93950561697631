"""Benchmark tasks through lm-evaluation-harness: the only door to that package."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import datasets
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from harness.errors import BadInput
from harness.models.load import Policy
from harness.models.quiet import quiet

FEWSHOT_SEED = 1234
"""Which examples a task with shots draws; lm-eval's own default."""


@dataclass(frozen=True)
class LmEvalResult:
    """Results by "task.metric"; a filter other than "none" is added as "task.metric.filter".

    `items` holds the value of each item, for paired comparisons, by the document's own "id" or else its
    number in the task; metrics that are not numbers item by item have none. `versions` are the tasks' own.
    """

    scores: dict[str, float]
    items: dict[str, dict[str, float]]
    versions: dict[str, float | str]


def run_tasks(
    policy: Policy, tasks: Sequence[str], include: Path, batch_size: int = 64, limit: int | None = None
) -> LmEvalResult:
    """Run the tasks whose yaml files lie in `include`, on the policy in memory.

    lm-eval renders every question with the policy's chat template, as all prompts here are rendered. So a
    task gives the plain question, and its choices follow the template's generation prompt directly. At
    most `limit` items of each task are run.

    Raises:
        BadInput: `include` has no task of a given name.
    """
    manager = TaskManager(include_path=str(include), include_defaults=False)
    unknown = sorted(set(tasks) - set(manager.all_tasks))
    if unknown:
        raise BadInput(
            f"evaluation.lm_eval.tasks: no task {', '.join(unknown)}. Known: {', '.join(manager.all_tasks)}."
        )
    # Prepared data goes to a folder of its own: the shared cache could serve an older state of a file,
    # and would keep a copy of each.
    with (
        quiet(),
        tempfile.TemporaryDirectory() as cache,
        patch.object(datasets.config, "HF_DATASETS_CACHE", Path(cache)),
        # these ask the system for its packages and drivers, for seconds, and git for a commit, which prints
        # where there is none; a manifest says what matters of them
        patch("lm_eval.evaluator.add_env_info"),
        patch("lm_eval.evaluator.get_git_commit_hash"),
    ):
        model = HFLM(
            pretrained=policy.model,
            tokenizer=policy.tokenizer,
            batch_size=batch_size,
            max_length=policy.model.config.max_position_embeddings,
            device=str(policy.device),
        )
        raw = simple_evaluate(
            model=model,
            tasks=list(tasks),
            task_manager=manager,
            limit=limit,
            bootstrap_iters=0,
            apply_chat_template=True,
            fewshot_random_seed=FEWSHOT_SEED,
        )
    return LmEvalResult(_scores(raw["results"]), _items(raw["samples"]), dict(raw["versions"]))


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
        for entry in entries:
            for metric in entry["metrics"]:
                if _is_number(entry[metric]):
                    values = items.setdefault(_name(task, metric, entry["filter"]), {})
                    values[str(entry["doc"].get("id", entry["doc_id"]))] = float(entry[metric])
    return items


def _name(task: str, metric: str, filter_: str) -> str:
    return f"{task}.{metric}" if filter_ == "none" else f"{task}.{metric}.{filter_}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)
